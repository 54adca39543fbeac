"""A picture and the table of its numbers, before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from touchstone.report.both import Both


@dataclass(frozen=True)
class Key:
    """An entry of the legend, which stands beside the picture in the page: ``series`` is its place in the palette, from 0.

    ``mark`` is point, line or bar. Shape and dash follow from ``series``, so that nothing is told by colour alone. ``hollow`` is a
    mark that is not to be believed yet, ``crossed`` one that was rejected.
    """

    label: Both
    series: int
    mark: str = "point"
    hollow: bool = False
    crossed: bool = False


@dataclass(frozen=True)
class Chart:
    """One picture of a report.

    ``id`` is unique in a page and made of a-z, 0-9 and hyphens. ``caption`` says how to read it and names n. ``spec`` is Vega-Lite;
    every text in it that is translated stands there in English and in ``texts`` in both languages. ``columns`` and ``rows`` are the
    same numbers as a table: for whoever cannot see the picture, reads without it, or wants to copy them.
    """

    id: str
    title: Both
    caption: Both
    spec: Mapping[str, Any]
    texts: tuple[Both, ...]
    columns: tuple[Both, ...]
    rows: tuple[tuple[Both | str, ...], ...]
    legend: tuple[Key, ...] = ()
