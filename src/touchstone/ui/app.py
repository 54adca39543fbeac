"""The pages of the run browser: which address shows what. Whatever reads or judges runs in a thread, so that nobody waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from touchstone.errors import TouchstoneError, UsageError
from touchstone.listing import ORDERS, Basis, Catalogue, ListedRun, in_order
from touchstone.message import Message, say
from touchstone.report import list_text
from touchstone.report.i18n import measured_on, translator
from touchstone.report.table import plain, run_word
from touchstone.ui import auditing, comparing
from touchstone.ui.guard import Guard, TooLargeError, broken
from touchstone.ui.live import Follower
from touchstone.ui.pages import SPEECH, Speech, failure, fragment, language_of, page, told
from touchstone.ui.reports import MEDIA, Reports
from touchstone.ui.shelf import EVENTS, Shelf
from touchstone.ui.words import STAGES

_PER_PAGE = 100
_JUDGING_S = 3.0  # per request for the list; the rest is judged by the next ones
_PERIOD_S, _HEARTBEAT = 0.5, 20
_LONGEST_QUERY = 200


@dataclass(frozen=True)
class _Row:
    run: ListedRun
    cells: list[str]
    verdict: str


def create_app(directory: Path, hosts: Sequence[str], speech: Speech, stopping: threading.Event, trouble: Callable[[str], None]) -> Guard:
    """The pages of the runs below ``directory``, to be served under ``hosts`` until ``stopping`` is set; ``trouble`` hears what went wrong."""
    routes = [Route("/", _runs), Route("/runs/{key}/report", _report), Route("/runs/{key}/live", _live), Route("/runs/{key}/events", _events),
              Route("/runs/{key}/report.{face}", _download), Route("/compare", _compare), Route("/audit", _audit, methods=["GET", "POST"])]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refused, TouchstoneError: _failed, Exception: _broken})
    app.state.shelf = Shelf(directory)
    app.state.reports = Reports(app.state.shelf)
    app.state.stopping = stopping
    return Guard(app, hosts, {SPEECH: speech}, failure, trouble)


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = UsageError("There is no such page, or no such run any more.") if error.status_code == 404 else UsageError("This page does not take that.")
    return failure(request, error.status_code, said)


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, TouchstoneError)
    return failure(request, 413 if isinstance(error, TooLargeError) else 422, error)


async def _broken(request: Request, error: Exception) -> Response:
    return failure(request, 500, broken(error))


async def _directory(request: Request) -> Path:
    """The run that the address names: by its key, never by a path."""
    directory: Path | None = await run_in_threadpool(request.app.state.shelf.find, request.path_params["key"])
    if directory is None:
        raise HTTPException(404)
    return directory


def _said(request: Request) -> Callable[[Message], str]:
    translate = translator(language_of(request))
    return lambda message: plain(message.render(translate))


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _runs(request: Request) -> Response:
    return await run_in_threadpool(_runs_page, request)


def _runs_page(request: Request) -> Response:
    catalogue: Catalogue = request.app.state.shelf.catalogue(_JUDGING_S)
    said, asked = _said(request), request.query_params
    query, order = asked.get("q", "")[:_LONGEST_QUERY], asked.get("sort", "created")
    order = order if order in ORDERS else "created"
    found = [run for run in in_order(catalogue.runs, order) if _has(run, query.lower().split(), said)]
    number = asked.get("page", "1")
    at = max(0, int(number) - 1) * _PER_PAGE if number.isascii() and number.isdecimal() and len(number) < 7 else 0
    rows = [_Row(run, list_text.cells(run), said(list_text.verdict(run))) for run in found[at:at + _PER_PAGE]]
    here = {"q": query, "sort": order}
    return page(request, "runs", directory=catalogue.path, query=query, order=order, asked_lang=asked.get("lang"), rows=rows,
                columns=[said(column) for column in list_text.COLUMNS], notes=[said(note) for note in (*list_text.notes(catalogue, []), *_unjudged(found))],
                shown=f"{at + 1}-{at + len(rows)} / {len(found)}" if rows else "0", previous={**here, "page": str(at // _PER_PAGE)} if at else None,
                next={**here, "page": str(at // _PER_PAGE + 2)} if at + _PER_PAGE < len(found) else None)


def _unjudged(runs: Sequence[ListedRun]) -> Iterator[Message]:
    waiting = sum(run.basis is Basis.HEADER and run.status != "running" for run in runs)
    if waiting:
        yield say("{count} run(s) are still to be judged: load this page again", count=waiting)


def _has(run: ListedRun, words: Sequence[str], said: Callable[[Message], str]) -> bool:
    text = " ".join((run.path, run.run_id, run.kind, run.words, run.status, run.trust.value if run.trust else "", said(list_text.verdict(run)))).lower()
    return all(word in text for word in words)


# ── one run ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _report(request: Request) -> Response:
    made = await run_in_threadpool(request.app.state.reports.page, await _directory(request), language_of(request))
    return HTMLResponse(made.text, headers={"content-security-policy": f"{made.policy}; frame-ancestors 'none'"})


async def _download(request: Request) -> Response:
    face = request.path_params["face"]
    if face not in MEDIA:
        raise HTTPException(404)
    text = await run_in_threadpool(request.app.state.reports.face, await _directory(request), face, language_of(request))
    name = f"report-{request.path_params['key']}.{face}"
    return Response(text.encode("utf-8", "replace"), media_type=MEDIA[face], headers={"content-disposition": f'attachment; filename="{name}"'})


async def _live(request: Request) -> Response:
    directory = await _directory(request)
    follower = Follower(directory / EVENTS)
    while await run_in_threadpool(follower.advance):
        pass
    return page(request, "live", script="live.js", run=directory.name, **_heard(request, follower))


async def _events(request: Request) -> Response:
    return StreamingResponse(_followed(request, Follower(await _directory(request) / EVENTS)), media_type="text/event-stream")


async def _followed(request: Request, follower: Follower) -> AsyncIterator[str]:
    """The state of a run as it changes, as server-sent events, until it ends or the pages are closed."""
    waited, silent = _HEARTBEAT, False
    while not request.app.state.stopping.is_set():
        news = False
        while await run_in_threadpool(follower.advance):
            news = True
        waited += 1
        if news or silent != follower.silent or waited > _HEARTBEAT:
            waited, silent = 0, follower.silent
            yield _event("state", fragment(request, "live_state.html.j2", **_heard(request, follower)))
        if follower.state.ended:
            yield _event("end", "")
            return
        await asyncio.sleep(_PERIOD_S)


def _event(name: str, text: str) -> str:
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in text.splitlines() or [""]) + "\n"


def _heard(request: Request, follower: Follower) -> Mapping[str, Any]:
    from touchstone.finding import Trust
    from touchstone.report.table import TRUST_WORDS

    said, state = _said(request), follower.state
    words = {trust.value: said(TRUST_WORDS[trust]) for trust in Trust}
    return {"key": request.path_params["key"], "state": state, "silent": follower.silent, "ended": said(run_word(state.ended)),
            "stage": said(STAGES[state.stage]) if state.stage in STAGES else plain(state.stage),
            "verdicts": [(case, trust, words[trust], reason) for case, (trust, reason) in state.verdicts.items() if trust in words]}


# ── two runs, and a table ────────────────────────────────────────────────────────────────────────────────────────────────


async def _compare(request: Request) -> Response:
    return await run_in_threadpool(_compare_page, request)


def _compare_page(request: Request) -> Response:
    shelf: Shelf = request.app.state.shelf
    keys = {name: request.query_params.get(name, "") for name in ("old", "new")}
    allow = request.query_params.get("differences") == "allowed"
    sides = [shelf.find(key) for key in keys.values()]
    empty: dict[str, Any] = {"answer": "", "sections": (), "error": "", "again": None}
    try:
        if None in sides:
            raise UsageError("A comparison has two sides.", "Choose a run for A and one for B in the list.")
        old, new = (shelf.judged(side)[0] for side in sides if side is not None)
        found = comparing.compared(old, new, allow_differences=allow)
    except TouchstoneError as error:
        again = None if allow or None in sides or not isinstance(error, UsageError) else {**keys, "differences": "allowed"}
        return page(request, "compare", **{**empty, **told(request, error), "again": again})
    said = _said(request)
    with measured_on(found.device):
        answer, sections = comparing.headline(found, said), tuple(comparing.sections(found, said))
    return page(request, "compare", **{**empty, "answer": answer, "sections": sections})


async def _audit(request: Request) -> Response:
    given = dict.fromkeys(auditing.FIELDS, "")
    if request.method == "POST":
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=len(given) + 1)
        given |= {name: values[0] for name, values in fields.items() if name in given}
    return await run_in_threadpool(_audit_page, request, given)


def _audit_page(request: Request, given: Mapping[str, str]) -> Response:
    from touchstone.hardware import chips

    content: dict[str, Any] = {"given": given, "chips": [chip.name for chip in chips()], "error": "", "found": None}
    if not given["text"].strip():
        return page(request, "audit", **content)
    try:
        found = auditing.shown(auditing.audited(given), _said(request))
    except TouchstoneError as error:
        return page(request, "audit", **{**content, **told(request, error)})
    return page(request, "audit", **{**content, "found": found})
