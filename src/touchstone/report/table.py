"""The result table that every face shows: the articles' eight columns first, then n, ± and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import reduce

from touchstone.finding import CaseFinding, Estimate, Findings, Judgement, Trust, Verdict
from touchstone.message import Message, Translate, say
from touchstone.units import BYTES_PER_GB, significant

COLUMNS: tuple[Message, ...] = (
    say("Scenario"), say("Input length"), say("Output length"), say("Batch Size"), say("Mean TTFT (ms)"),
    say("Decode speed (tokens/s/req)"), say("Total throughput (tokens/s)"), say("Peak memory (GB)"),
    say("n"), say("±"), say("Verdict"),
)
TRUST_WORDS: Mapping[Trust, Message] = {
    Trust.TRUSTED: say("TRUSTED"), Trust.SUSPECT: say("SUSPECT"), Trust.REJECTED: say("REJECTED"),
}
STATUS_WORDS: Mapping[Judgement, Message] = {
    Judgement.PASS: say("pass"), Judgement.SUSPECT: say("suspect"), Judgement.INCONSISTENT: say("inconsistent"),
    Judgement.IMPOSSIBLE: say("impossible"), Judgement.CANNOT_TELL: say("cannot tell"),
}
RUN_WORDS: Mapping[str, Message] = {
    "complete": say("complete"), "incomplete": say("incomplete"), "interrupted": say("interrupted"), "failed": say("failed"),
}
_GRAVITY = (Judgement.IMPOSSIBLE, Judgement.INCONSISTENT, Judgement.SUSPECT, Judgement.CANNOT_TELL, Judgement.PASS)
METRIC_WORDS: Mapping[str, Message] = {
    "ttft": say("TTFT"), "tpot": say("TPOT"), "itl": say("ITL"), "e2e": say("E2E latency"), "decode_speed": say("Decode speed"),
    "output_throughput": say("Throughput"), "peak_memory": say("Peak memory"), "ttfo": say("TTFO"), "ttfe": say("TTFE"),
    "stream_end": say("Stream end"), "response_ttft": say("Response TTFT"), "response_e2e": say("Response E2E"),
    "send_lag": say("Send lag"), "prompt_throughput": say("Prompt throughput"), "total_throughput": say("Total throughput"),
    "request_throughput": say("Request throughput"), "goodput": say("Goodput"),
    "device_memory": say("Device memory above idle"), "power": say("Power"), "energy_per_token": say("Energy per token"),
}
NOTHING = "-"
COLON, COMMA, SEMICOLON = say(": "), say(", "), say("; ")
"""What stands after a label and between the parts of a list: Chinese has marks of its own."""


@dataclass(frozen=True)
class Scaled:
    """How a face shows a metric: its unit there and what to multiply by."""

    unit: str
    factor: float


SCALES: Mapping[str, Scaled] = {
    **dict.fromkeys(("ttft", "ttfo", "ttfe", "tpot", "itl", "e2e", "stream_end", "response_ttft", "response_e2e", "send_lag"),
                    Scaled("ms", 1e3)),
    "prompt_throughput": Scaled("tokens/s", 1.0), "total_throughput": Scaled("tokens/s", 1.0),
    "request_throughput": Scaled("requests/s", 1.0), "goodput": Scaled("requests/s", 1.0),
    "decode_speed": Scaled("tokens/s/req", 1.0), "output_throughput": Scaled("tokens/s", 1.0),
    "peak_memory": Scaled("GB", 1 / BYTES_PER_GB), "device_memory": Scaled("GB", 1 / BYTES_PER_GB),
    "power": Scaled("W", 1.0), "energy_per_token": Scaled("J/token", 1.0),
}


def rows(findings: Findings, translate: Translate, lang: str) -> list[list[str]]:
    """One row of cells per case, in the order of ``COLUMNS``."""
    return [_row(case, translate, lang) for case in findings.cases]


def _row(case: CaseFinding, translate: Translate, lang: str) -> list[str]:
    throughput = case.metrics["output_throughput"]
    width = throughput.relative_half_width
    return [
        title(case, lang), number(case.input_tokens), number(case.output_tokens), str(case.batch_size),
        *(shown(case.metrics[name]) for name in ("ttft", "decode_speed", "output_throughput", "peak_memory")),
        str(throughput.n), NOTHING if width is None else percent(significant(100 * width, 2)).render(translate), verdict_word(case).render(translate),
    ]


def title(case: CaseFinding, lang: str) -> str:
    """The case's title in ``lang``, or its name."""
    return plain(case.title.get(lang) or case.name)


def verdict_word(case: CaseFinding) -> Message:
    """A case that never ran has no verdict on its numbers."""
    return TRUST_WORDS[case.trust] if case.ok else say("failed")


def shown(estimate: Estimate) -> str:
    """An estimate's value in the unit of the faces."""
    return number(estimate.value, SCALES[estimate.metric].factor)


def number(value: float | None, factor: float = 1.0) -> str:
    """Four significant digits; missing is a dash, never 0."""
    if value is None:
        return NOTHING
    return significant(value * factor)


def percent(share: str) -> Message:
    """A share that is a number in percent already."""
    return say("{share} %", share=share)


def listed(parts: Sequence[object]) -> Message:
    """The parts of a list, of which there is one at least, inside a sentence."""
    first, *others = parts
    return reduce(lambda one, other: say("{one}, {other}", one=one, other=other), others, say("{text}", text=first))


def gravest(verdicts: tuple[Verdict, ...], most: int) -> list[Verdict]:
    """The ``most`` gravest verdicts that are not passes, gravest first, one per rule, and nothing said twice."""
    ordered = sorted((verdict for verdict in verdicts if verdict.status is not Judgement.PASS), key=lambda one: _GRAVITY.index(one.status))
    by_rule = {verdict.rule: verdict for verdict in reversed(ordered)}.values()
    return list({verdict.message: verdict for verdict in by_rule}.values())[::-1][:most]


def moment(stamp: str) -> str:
    """An ISO 8601 ``stamp`` to the minute, in UTC; whatever else was written as it is."""
    try:
        time = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
        return f"{time.astimezone(timezone.utc):%Y-%m-%d %H:%M}" if time.tzinfo else stamp
    except (ValueError, OverflowError):
        return stamp


def run_word(status: str) -> Message:
    """How a run ended, to be said."""
    return RUN_WORDS.get(status) or Message("{status}", (("status", status),))


def plain(text: object) -> str:
    """``text`` without control characters: whatever a model or server says, a terminal must not obey it."""
    return "".join(character if character.isprintable() else " " for character in str(text))


def shortened(text: str | None, most: int) -> str:
    """The first ``most`` characters of what :func:`plain` leaves of ``text``, with a sign where something was cut off."""
    shown = plain(text or "")
    return shown if len(shown) <= most else shown[:most - 1] + "…"
