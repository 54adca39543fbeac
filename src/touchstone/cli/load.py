"""``touchstone load``: offer a load to a server and report what came back."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from touchstone.cli import gates, language, tracking, watching
from touchstone.cli.load_options import LoadCommand, options
from touchstone.message import say

if TYPE_CHECKING:
    from touchstone.cli.audience import Audience
    from touchstone.cli.events import Subject
    from touchstone.cli.load_progress import LoadProgress
    from touchstone.load_plan import LoadPlan
    from touchstone.measure.load.load_test import Target
    from touchstone.measure.load.play import Control


@click.command(cls=LoadCommand, context_settings={"show_default": True})
@options
@watching.options
@language.option
def load(**given: Any) -> int:
    """Offer a load to the server at --base-url and print the report.

    Without further options: 64 chat requests of 256 + 128 tokens, 8 at a time, to the first model the server lists.
    """
    from touchstone.cli import faces
    from touchstone.cli.load_options import plan_of
    from touchstone.measure.load.load_test import LoadTest
    from touchstone.report.i18n import translator

    lang = language.chosen(lang=given["lang"])
    translate = translator(lang)
    plan = plan_of(given)
    closed_by = gates.chosen(given["fail_on"], levels=bool(plan.slos))
    with watching.outlets_of(given, translate) as outlets:
        target = meet(given, plan)
        directory, header = new_test(given, plan, target)
        with watching.audience(subject(directory, header, plan), outlets, progress_of(given, plan)) as heard:
            with stoppable(heard) as control:
                LoadTest(directory, header, target, heard, control).play()
            shown = faces.write_and_show(directory, given["face"], lang)
            code = watching.finish(heard, directory, closed_by)
        watching.show(shown, given, translate)
        tracking.after(directory, given["trackers"], lang)
    return code


def meet(given: dict[str, Any], plan: LoadPlan) -> Target:
    """Ask the server who it is and what it counts. Raises :class:`touchstone.errors.TouchstoneError`."""
    from touchstone.cli.live_line import LiveLine
    from touchstone.cli.load_options import endpoint_of, headers_of
    from touchstone.load_words import parse_duration
    from touchstone.measure.load.meeting import meet_server
    from touchstone.report.i18n import translator

    if given["output_dir"]:
        _must_be_free(given["output_dir"])
    endpoint, fixed = endpoint_of(given)
    headers, patience_s = headers_of(given), parse_duration(given["ready_timeout"], zero=True)
    translate = translator(language.chosen(lang=given["lang"]))
    LiveLine(_ui(given)).say(translate("asking the server for its model and how it counts tokens"))
    return meet_server(endpoint, plan, headers, fixed=fixed, patience_s=patience_s)


def _ui(given: dict[str, Any]) -> str:
    return "none" if given["disable_tqdm"] else str(given["ui"])


def _must_be_free(directory: Path) -> None:
    """A directory that holds a test cannot take another; one in which a test failed before it measured anything can."""
    from touchstone import store
    from touchstone.errors import NotReadyError

    if not (directory / store.HEADER).exists():
        return
    known = store.read_header(directory)
    if known.get("kind") != "load" or known.get("status") not in {"created", "failed"} or known.get("points") or any(directory.glob("**/*.parquet")):
        raise NotReadyError("{directory} already holds a run.", "Choose another directory with -o.", directory=directory)
    (directory / store.HEADER).unlink()


def new_test(given: dict[str, Any], plan: LoadPlan, target: Target) -> tuple[Path, dict[str, Any]]:
    """The directory and header of a test that starts now."""
    from touchstone import __version__, store
    from touchstone.clock import wall_stamp, wall_time
    from touchstone.load_words import parse_pairs
    from touchstone.plan import LOCK, plan_text

    identity = secrets.token_hex(3)
    directory = given["output_dir"] or Path("runs") / f"{wall_stamp()}-load-{identity}"
    probe = target.probe
    header = {
        "id": identity, "kind": "load", "created": wall_time(), "status": "created", "touchstone": __version__,
        "plan": plan.model_dump(mode="json"), "endpoint": target.asking.endpoint.model_dump(mode="json"),
        "server": {"name": probe.server.server, "owned_by": probe.server.owned_by, "models": list(probe.server.models),
                   "max_model_len": probe.server.max_model_len},
        "probe": {"template_tokens": probe.template_tokens, "ttft_s": probe.ttft_s, "itl_s": probe.itl_s, "words": len(probe.words),
                  "notes": list(probe.notes)},
        "labels": parse_pairs(given["labels"], "--label"), "keep_text": given["include_text"], "token_count": given["token_count"],
    }
    store.create(directory, header)
    (directory / LOCK).write_text(plan_text(plan.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    return directory, header


def subject(directory: Path, header: dict[str, Any], plan: LoadPlan | None) -> Subject:
    """What is measured. Without a ``plan`` it is a search: what that will try, nobody knows before."""
    from touchstone.cli.course import LoadCourse
    from touchstone.cli.events import Subject

    cases = [] if plan is None else [{"case": load.label, "repeats": plan.repeats} for load in plan.loads]
    return Subject(header["id"], directory, LoadCourse(plan), {
        "kind": "search" if plan is None else "load", "plan": header["plan"]["name"], "model": header["endpoint"]["model"], "resumed": False, "launches": None, "cases": cases})


def progress_of(given: dict[str, Any], plan: LoadPlan | None) -> LoadProgress:
    """What a person sees of the test meanwhile; of a search, without a ``plan``, what it tries."""
    from touchstone.cli.course import LoadCourse
    from touchstone.cli.load_progress import LoadProgress
    from touchstone.report.i18n import translator

    loads = [] if plan is None else [load.label for load in plan.loads]
    return LoadProgress(LoadCourse(plan), loads, translator(language.chosen(lang=given["lang"])), _ui(given))


@contextlib.contextmanager
def stoppable(heard: Audience) -> Iterator[Control]:
    """The user's wish to stop: Ctrl-C sends nothing new and waits for what is under way, a second one stops at once."""
    from touchstone.measure.load.play import Control

    control = Control()

    def interrupted() -> None:
        control.stop += 1
        heard("note", {"message": say("sending nothing new and waiting for what is under way; press Ctrl-C again to stop now")
                       if control.stop == 1 else say("stopping now")})

    def terminated() -> None:
        control.stop = 2  # what the system sends leaves no time to drain

    with watching.stoppable(interrupted, terminated):
        yield control
