"""The account of one answer: what its events said, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import MsgspecError

from touchstone.served import TOKEN_KINDS, EventKind
from touchstone.wire.event import Choice, Counts, Event, channels, complaint, counts, decode, made_so_far, printable, proven_tokens
from touchstone.wire.sse import Stream

_CONTENT, _REASONING, _TOOL = TOKEN_KINDS


class Account:
    """What the events said so far; ``kinds`` and ``tokens`` have one entry per event.

    ``error`` is what the server reported, ``malformed`` why reading stopped before the last event; None where neither happened.
    """

    def __init__(self, *, want_text: bool) -> None:
        self.want_text = want_text
        self.kinds: list[int] = []
        self.tokens: list[int | None] = []
        self.texts: list[str] = []
        self.reasoning_texts: list[str] = []
        self.first_text = ""
        self.finish: str | None = None
        self.model: str | None = None
        self.error: str | None = None
        self.malformed: str | None = None
        self._usage: dict[str, object] = {}
        self._timings: dict[str, object] = {}
        self._made: int | None = 0  # output tokens by the running usage; None where the last event did not say
        self._usage_seen = False
        self._usage_runs = True

    @property
    def has_tokens(self) -> bool:
        """Whether any event carried tokens."""
        return bool(self.first_text)

    @property
    def counts(self) -> Counts:
        """The server's counts: of each the last that it gave."""
        return counts(self._usage, self._timings)

    def read(self, stream: Stream, *, utf8: bool) -> None:
        """Take every event, up to the first that cannot be read. ``utf8``: the stream is known to be UTF-8 throughout."""
        kinds, tokens, errors, want_text = self.kinds, self.tokens, stream.errors, self.want_text
        # msgspec does not look at the encoding of strings that it skips; decoding does.
        payloads: Iterable[bytes | str] = stream.payloads if utf8 else map(bytes.decode, stream.payloads)
        try:
            for payload in payloads:
                event = decode(payload)
                choices = event.choices
                if choices and self.first_text and event.error is None and not errors:
                    choice, kind = choices[0], _CONTENT
                    delta = choice.delta
                    came = choice.text if delta is None else delta.content
                    if not came and delta is not None:
                        came, kind = delta.reasoning_content or delta.reasoning, _REASONING
                    if (came.__class__ is str and came and choice.finish_reason is None and choice.logprobs is None
                            and choice.token_ids is None and len(choices) == 1):  # the event that most streams consist of
                        kinds.append(kind)
                        if event.usage is None and event.timings is None:
                            self._made = None
                            tokens.append(None)
                        else:
                            tokens.append(self._grown(event, kind))
                        if want_text:
                            content, reasoning, _ = channels(choice)
                            self.texts.append(content)
                            self.reasoning_texts.append(reasoning)
                        continue
                self._take(event, named_error=len(kinds) in errors)
        except UnicodeDecodeError:
            self._stop(stream, "is not UTF-8")
        except RecursionError:
            self._stop(stream, "is nested too deeply")
        except MsgspecError as error:
            self._stop(stream, f"cannot be read: {error}")

    def _stop(self, stream: Stream, fault: str) -> None:
        index = len(self.kinds)
        if index in stream.errors:  # an error may be said in plain text
            self._keep_error(stream.payloads[index].decode(errors="replace"))
        else:
            self.malformed = f"event {index + 1} {fault}"

    def _keep_error(self, said: str | None) -> None:
        self.error = self.error or said or "the server reported an error without words"
        self.kinds.append(EventKind.ERROR)
        self.tokens.append(None)

    def _take(self, event: Event, *, named_error: bool) -> None:
        if self.model is None and isinstance(event.model, str) and event.model:
            self.model = printable(event.model)
        choices = event.choices or ()
        if named_error or event.error or (not choices and event.object == "error"):
            self._keep_error(complaint(event.error) or complaint(event.message))
            return
        kind = self._kind_of(choices, has_counts=isinstance(event.usage, dict) or isinstance(event.timings, dict))
        grown = self._grown(event, kind)
        self.kinds.append(kind)
        self.tokens.append(_listed(choices) if grown is None else grown)

    def _kind_of(self, choices: Sequence[Choice], *, has_counts: bool) -> EventKind:
        """The kind of the first choice that has tokens, else that of an event without; finish and texts are kept on the way."""
        finished = False
        found: EventKind | None = None
        for choice in choices:
            came = content, reasoning, tool = channels(choice)
            if found is None and (content or reasoning or tool):
                found = _CONTENT if content else _REASONING if reasoning else _TOOL
                self.first_text = self.first_text or came[found]
            if isinstance(choice.finish_reason, str) and choice.finish_reason:
                self.finish, finished = printable(choice.finish_reason), True
            if self.want_text:
                self.texts.append(content)
                self.reasoning_texts.append(reasoning)
        if found is not None:
            return found
        if finished:
            return EventKind.FINISH
        return EventKind.USAGE if has_counts and not choices else EventKind.EMPTY

    def _grown(self, event: Event, kind: EventKind) -> int | None:
        """By how much the running usage grew with this event; None where usage is not known to run.

        The first usage of a stream is its growth only if no tokens came before it. Usage that stands still while tokens come does not run.
        """
        _keep_known(event.usage, self._usage)
        _keep_known(event.timings, self._timings)
        before, made, has_tokens = self._made, made_so_far(event), kind <= _TOOL
        if made is None:
            self._made = None if has_tokens else before
            return None
        if has_tokens and before is not None and made <= before:
            self._usage_runs = False
        known = self._usage_runs and (has_tokens or self._usage_seen)
        self._made, self._usage_seen = made, True
        return made - before if known and before is not None and made >= before else None


def _keep_known(said: object, kept: dict[str, object]) -> None:
    if isinstance(said, dict):
        kept.update({name: value for name, value in said.items() if value is not None})


def _listed(choices: Sequence[Choice]) -> int | None:
    listed = [count for choice in choices if (count := proven_tokens(choice)) is not None]
    return sum(listed) if listed else None
