"""Why another tool's number is not ours: every reason once."""

from __future__ import annotations

from touchstone.message import say

FIRST_CHOICE = say("the first event with a choice counts, also one without text")
FIRST_OF_ANY_KIND = say("the first event of any kind counts, also one that only names the role")
REASONING_BY_ONE_NAME = say("reasoning is seen only in a field named reasoning: with reasoning_content the tool would wait for the answer")
NO_TOOL_CALLS = say("tool calls do not count, and an answer of nothing else enters with 0")
NOTHING_IS_ZERO = say("an answer without text enters with 0")
NOT_THE_FIRST = say("an answer's tokens less one, however many came with the first event")
NOT_THE_FIRST_TO_THE_END = say("an answer's tokens less one, and the time until the end of the stream, after usage and [DONE]")
NOT_THE_FIRST_TO_THE_LAST_EVENT = say("an answer's tokens less one, and the time until the last event of any kind, usage included")
TO_THE_END = say("until the end of the stream, after usage and [DONE]")
TO_THE_LAST_EVENT = say("until the last event of any kind, usage included")
TO_EMPTY_EVENTS = say("until the last event with a choice, also one without text")
FROM_SENDING = say("the wait for the first token is in it, divided by all tokens")
WEIGHTED = say("one mean per answer, weighted by its tokens: the gaps themselves are not kept")
GAPS_OF_ZERO = say("events that come together make gaps of 0; ours takes them as one event")
GAPS_WITHOUT_TEXT = say("events without text make gaps, and events that come together make gaps of 0")
GAPS_OF_EVERY_EVENT = say("every event makes a gap, also role, finish and usage, and events that come together make gaps of 0")
RAMP_AND_DRAIN = say("from the first request sent to the end of the last one, ramp and drain included")
RAMP_AND_DRAIN_OF_GOOD = say("from the first good request sent to the last event of one, ramp and drain included")
ALL_REQUESTS = say("ramp and drain included, and requests that failed or were stopped count too")
EVENTS_NOT_TOKENS = say("it counts events, not tokens")
WHOLE_SECONDS = say("every request that was open at any time in a second counts for it, so with short requests it exceeds the concurrency")
ASKED_TOKENS = say("as many as were asked for, where the server sends no count: the tool does not ask for one")
COUNTED_AGAIN = say("by tokenising the text again, where we have such a count")
NOT_STREAMED = say("answers that come in one piece do not say when a token came")
