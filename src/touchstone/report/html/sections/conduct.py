"""How it was measured, on what, what the model wrote, how to measure it again, and what the words mean."""

from __future__ import annotations

from touchstone.finding import Findings
from touchstone.report import sheets
from touchstone.report.both import both
from touchstone.report.html.blocks import Block, Command, Prose, grid_of, shown


def texts(findings: Findings) -> tuple[Block, ...]:
    """The texts of the verification, and of cases that may stop where they like."""
    return shown(grid_of("produced", sheets.texts, findings))


def environment(findings: Findings) -> tuple[Block, ...]:
    """What was measured, and where."""
    return shown(grid_of("facts", sheets.environment, findings))


def reproduction(findings: Findings) -> tuple[Block, ...]:
    """The method and the commands that measure it again."""
    return (Prose(both(sheets.method(findings))), Command("commands", sheets.commands(findings)))


def definitions(findings: Findings) -> tuple[Block, ...]:
    """What the words of this report mean."""
    return shown(grid_of("metrics", sheets.definitions, findings))
