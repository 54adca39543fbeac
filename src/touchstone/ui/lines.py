"""What a run says of itself, in its report or only in its header → its line in a list. Both are files: nothing in them is taken on trust."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from touchstone.finding import Trust
from touchstone.header import UNFINISHED, mapping
from touchstone.listing import Basis, Foremost, ListedRun

_LONGEST = 200


def listed_document(key: str, path: str, document: Any, basis: Basis) -> ListedRun | None:
    """The line of a run by its JSON report; None where ``document`` is no report of this version."""
    run, cases = mapping(mapping(document).get("run")), mapping(document).get("cases")
    if not isinstance(cases, list) or "headline" not in document or run.get("trust") not in [trust.value for trust in Trust]:
        return None
    cards = mapping(document["headline"]).get("cards")
    return ListedRun(
        key=key, path=path, run_id=_text(run.get("id")) or "", kind=_kind(document), created=_text(run.get("created")) or "", plan=_text(run.get("plan")),
        model=_text(run.get("model")), dtype=_text(run.get("dtype")), engine=_text(run.get("engine_version")) or _text(run.get("engine")),
        device=_text(run.get("device_name")) or _text(run.get("device")) or _text(run.get("base_url")), cases=len(cases),
        status=_text(run.get("status")) or "", trust=Trust(run["trust"]), throughput=_foremost(cards, "output_throughput"), ttft=_foremost(cards, "ttft"),
        basis=basis)


def listed_header(key: str, path: str, header: Mapping[str, Any], *, live: bool) -> ListedRun:
    """The line of a run that nobody judged: what was to be measured, of what. ``live`` is whether it is still going on."""
    plan, target, endpoint, server = (mapping(header.get(name)) for name in ("plan", "target", "endpoint", "server"))
    cases, status = plan.get("cases") or plan.get("loads"), _text(header.get("status")) or ""
    ended = status not in UNFINISHED
    model = _text(target.get("model")) or _text(endpoint.get("model"))
    return ListedRun(
        key=key, path=path, run_id=_text(header.get("id")) or "", kind="search" if "search" in header else "load" if header.get("kind") == "load" else "run",
        created=_text(header.get("created")) or "", plan=_text(plan.get("name")), model=model.rstrip("/").rpartition("/")[2] if model else None,
        dtype=_text(target.get("dtype")), engine=_text(target.get("engine")) or _text(server.get("name")),
        device=_text(target.get("device")) or _text(endpoint.get("base_url")), cases=len(cases) if isinstance(cases, list) else None,
        status=status if ended else "running" if live else "incomplete", trust=None, throughput=None, ttft=None, basis=Basis.HEADER)


def _kind(document: Mapping[str, Any]) -> str:
    return "search" if "search" in document else "load" if "client" in document else "run"


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) and value else None


def _foremost(cards: object, name: str) -> Foremost | None:
    """The number on the card ``name``, of a latency its mean; what is no finite number was not measured."""
    for card in cards if isinstance(cards, Sequence) else ():
        one = mapping(card)
        value = one.get("mean", one.get("value"))
        if one.get("id") == name and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return Foremost(value, _text(one.get("case")) or "")
    return None
