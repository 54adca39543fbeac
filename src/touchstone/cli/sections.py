"""A command with so many options that ``--help`` lists them under headings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click


class SectionedCommand(click.Command):
    """``sections`` maps a heading to the names of its parameters; what is under none stands under the last."""

    def __init__(self, *arguments: Any, sections: Mapping[str, tuple[str, ...]], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._heading = {name: heading for heading, names in sections.items() for name in names}
        self._headings = list(sections)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every option that is not hidden once, in the order in which the command has them."""
        listed: dict[str, list[tuple[str, str]]] = {heading: [] for heading in self._headings}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                listed[self._heading.get(parameter.name or "", self._headings[-1])].append(record)
        for heading, records in listed.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def refuse_beside(ctx: click.Context, name: str, allowed: frozenset[str], refusal: Callable[[str], Exception]) -> None:
    """Raise ``refusal`` of the first option on the command line that is neither ``name`` nor ``allowed``."""
    for parameter in ctx.command.params:
        given = parameter.name and ctx.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
        if given and parameter.name not in {name, *allowed}:
            raise refusal(parameter.opts[0])
