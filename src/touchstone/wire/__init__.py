"""Reading what LLM servers answer, as pure data: no clock, no socket. Called after a trial on the bytes that were kept."""
