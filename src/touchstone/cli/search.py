"""``touchstone search``: the highest load at which a server keeps its service levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from touchstone.cli import gates, language, tracking, watching
from touchstone.cli.load_options import LoadCommand, options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from touchstone.judge.search import Goal, Probe, Tried
    from touchstone.load_plan import Load, LoadPlan, Slo
    from touchstone.measure.load.load_test import LoadTest


@click.command(cls=LoadCommand, context_settings={"show_default": True})
@options
@click.option("--most", type=click.FloatRange(0, min_open=True), default=1024.0, help="Go no higher than this concurrency or rate.")
@click.option("--resolution", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.05,
              help="Stop when what passes and what fails lie this close together (0.05 = 5 %).")
@click.option("--confidence", type=click.FloatRange(0.5, 1, max_open=True), default=0.95, help="How sure the answer must be.")
@click.option("--at-least", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95,
              help="The share of requests that must keep all limits of --goodput.")
@click.option("--budget", "budget", type=click.IntRange(min=1), help="Spend no more requests than this on the whole search.")
@watching.options
@language.option
def search(**given: Any) -> int:
    """Find the highest concurrency (or, with --request-rate, the highest rate) that keeps every --slo and --goodput.

    The search starts at --concurrency or --request-rate, doubles until a level is missed, and then spends its requests at the edge.
    """
    from touchstone.cli import faces
    from touchstone.cli.load import meet, new_test, progress_of, stoppable, subject
    from touchstone.cli.load_options import plan_of
    from touchstone.measure.load.load_test import LoadTest
    from touchstone.report.i18n import translator

    lang = language.chosen(lang=given["lang"])
    translate = translator(lang)
    plan = plan_of(given)
    levels, goal = _goal(given, plan)
    closed_by = gates.chosen(given["fail_on"], levels=True)
    with watching.outlets_of(given, translate) as outlets:
        target = meet(given, plan)
        directory, header = new_test(given, plan, target)
        with watching.audience(subject(directory, header, None), outlets, progress_of(given, None)) as heard:
            with stoppable(heard) as control, LoadTest(directory, header, target, heard, control) as test:
                _search(test, directory, (plan.loads[0], levels, goal), lambda: bool(control.stop))
            shown = faces.write_and_show(directory, given["face"], lang)
            code = watching.finish(heard, directory, closed_by)
        watching.show(shown, given, translate)
        tracking.after(directory, given["trackers"], lang)
    return code


def _search(test: LoadTest, directory: Path, wanted: tuple[Load, list[tuple[Slo, ...]], Goal], stopped: Callable[[], bool]) -> None:
    """Offer one load after the other until the strategy has its answer or somebody wants no more."""
    from touchstone.judge.search import Done, next_step

    first, levels, goal = wanted
    history: list[Tried] = []
    test.note(search={"goal": vars(goal), "history": []})
    step = next_step(goal, history)
    while not isinstance(step, Done) and not stopped():
        tried = _try(test, directory, first, levels, (step, len(history)))
        if tried is None:
            break
        history.append(tried)
        test.note(search={"goal": vars(goal), "history": [vars(tried) for tried in history]})
        step = next_step(goal, history)


def _goal(given: dict[str, Any], plan: LoadPlan) -> tuple[list[tuple[Slo, ...]], Goal]:
    """The levels, each a group of limits that a request keeps together or not, and what is searched."""
    from touchstone.errors import UsageError
    from touchstone.judge.search import Goal

    if not plan.slos:
        raise UsageError("A search needs a service level.", 'Give one: --slo "ttft p99<=500ms"')
    first = plan.loads[0]
    if len(plan.loads) > 1 or first.stages or first.arrival in {"burst", "trace"}:
        raise UsageError("A search varies one concurrency or one rate.", "Give one --concurrency or one --request-rate to start from.")
    each = tuple(level for level in plan.slos if level.quantile is None)
    alone = [(level, level.quantile) for level in plan.slos if level.quantile is not None]
    start = first.request_rate or (first.concurrency if given["concurrency"] else 1) or 1
    goal = Goal(quantiles=(*(quantile for _, quantile in alone), *((given["at_least"],) if each else ())), whole=first.closed,
                start=float(start), least=1.0 if first.closed else start / 64, most=given["most"], resolution=given["resolution"],
                confidence=given["confidence"], most_requests=given["budget"])
    return [*((level,) for level, _ in alone), *((each,) if each else ())], goal


def _try(test: LoadTest, directory: Path, first: Load, levels: list[tuple[Slo, ...]], step: tuple[Probe, int]) -> Tried | None:
    """Offer what the strategy asks for, and count who missed what; None where somebody stopped it before anything was sent."""
    from touchstone import load_store
    from touchstone.judge.load.levels import count_misses
    from touchstone.judge.search import Tried

    probe, number = step
    changed = {"concurrency": round(probe.value)} if first.closed else {"request_rate": probe.value}
    index = test.offer(first.model_copy(update=changed), number, probe.requests)
    if index is None:
        return None
    issued, misses = count_misses(load_store.load_test(directory), index, levels)
    return Tried(probe.value, issued, misses, probe.confirming)
