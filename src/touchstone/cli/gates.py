"""``--fail-on``: what a script wants to know of a finished run by its exit code, without reading the report.

=========  =========  ============================================================================================================
gate       exit code  closed where
=========  =========  ============================================================================================================
rejected   4          the verdict on the whole is REJECTED: numbers that contradict themselves or cannot be
unstable   5          a throughput is known too widely, or was not steady, or a service level or search stayed undecided
slo        99         a service level fails on a case, or a search found no load that keeps its levels
=========  =========  ============================================================================================================

The first closed gate of this table decides: numbers that cannot be believed say nothing of a service level, and neither do those that
are too unstable. An interrupted run is 130 whatever was asked, and without ``--fail-on`` a finished one is 0 whatever was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from touchstone.errors import UsageError, unknown_name
from touchstone.message import say

INTERRUPTED = 130
_UNSTEADY = frozenset({"precision", "steady", "window"})
"""Rules whose doubt is that the same measurement might come out differently."""

Document = Mapping[str, Any]


def _rejected(report: Document) -> bool:
    return bool(report["run"]["trust"] == "rejected")


def _unstable(report: Document) -> bool:
    doubted = any(one["rule"] in _UNSTEADY and one["status"] not in {"pass", "cannot tell"} for one in report["verdicts"])
    search = report.get("search")
    if search is not None:
        return doubted or search["passes_at"] is search["fails_at"] is None
    return doubted or "undecided" in _outcomes(report)


def _missed(report: Document) -> bool:
    search = report.get("search")
    if search is not None:  # its loads are meant to fail, somewhere
        return search["passes_at"] is None and search["fails_at"] is not None
    return "fails" in _outcomes(report)


def _outcomes(report: Document) -> set[str]:
    return {level["outcome"] for case in report["cases"] for level in case.get("slos", ())}


GATES: Mapping[str, tuple[int, Callable[[Document], bool]]] = {"rejected": (4, _rejected), "unstable": (5, _unstable), "slo": (99, _missed)}
"""Gate → its exit code and when it is closed; in the order of precedence."""


def option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The ``--fail-on`` option of a verb."""
    return click.option("--fail-on", "fail_on", metavar="GATE", multiple=True,
                        help="Exit with 4 where numbers are rejected, 5 where they are unstable, 99 where a service level is missed: "
                             "rejected, unstable, slo, or several with commas.")(command)


def has_levels(report: Document) -> bool:
    """Whether there is any service level in ``report`` that could be missed."""
    return report.get("search") is not None or any(case.get("slos") for case in report["cases"])


def chosen(fail_on: tuple[str, ...], *, levels: bool = True) -> tuple[str, ...]:
    """The gates asked for. Raises :class:`touchstone.errors.UsageError` for an unknown one, and for slo where there are no ``levels``."""
    gates = tuple(dict.fromkeys(name.strip() for names in fail_on for name in names.split(",")))
    for name in gates:
        if name not in GATES:
            raise unknown_name(say("gate"), name, GATES)
    if "slo" in gates and not levels:
        raise UsageError("--fail-on slo needs a service level, and there is none.", 'Give one to touchstone load: --slo "ttft p99<=500ms"')
    return gates


def exit_code(report: Document, gates: tuple[str, ...]) -> int:
    """The exit code for a finished run whose JSON ``report`` this is: 0, or that of the first closed one of ``gates``."""
    return next((code for name, (code, closed) in GATES.items() if name in gates and closed(report)), 0)
