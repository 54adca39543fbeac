"""The sampler of ``touchstone run``: a process of its own, so that it neither waits for the measured one nor is waited for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click


@click.command(hidden=True)
def sample() -> int:
    """Read what to watch from stdin, sample until stdin closes, and say in two lines on stdout when it is ready and what it did."""
    from touchstone.clock import now_ns
    from touchstone.measure.sensors.sampling import Orders, SamplerSpec, play
    from touchstone.units import NS_PER_S

    def emit(content: Mapping[str, object]) -> None:
        click.echo(json.dumps(content))

    orders = Orders(0)
    given: list[dict[str, Any]] = []
    while not given and not orders.ended:
        given = orders.until(now_ns() + NS_PER_S)
    if given:
        play(SamplerSpec(**given[0]), orders, emit)
    return 0
