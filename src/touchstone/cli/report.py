"""``touchstone report``: the report of a run that is on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from touchstone.cli import gates, language
from touchstone.cli.streams import print_result, write_file

if TYPE_CHECKING:
    from touchstone.finding import Findings


@click.command(context_settings={"show_default": True})
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--format", "face", type=click.Choice(["text", "md", "json", "html"]), default="text", help="Which face of the report.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file instead of standard output.")
@click.option("--metrics-as", "tool", metavar="TOOL", help="The numbers as vllm, sglang, guidellm, aiperf, evalscope or aisbench would define them.")
@click.option("--no-redact", is_flag=True, help="Keep the address of a measured server in the HTML; without it the host is masked.")
@gates.option
@language.option
def report(directory: Path, tool: str | None, fail_on: tuple[str, ...], lang: str, **given: Any) -> int:
    """Print the report of the run in DIRECTORY, finished or not.

    html is one file that carries English and Chinese, needs no network, and opens from disk.
    """
    from touchstone.cli import faces

    chosen, closed_by = language.chosen(lang=lang), gates.chosen(fail_on)
    face, output = given["face"], given["output"]
    findings = None
    if tool is not None:
        _refuse_page(face)
        text = faces.show_as(directory, tool, face, chosen)
    else:
        text, findings = faces.show(directory, face, chosen, redact=not given["no_redact"])
    if output is None:
        print_result(text)
    else:
        write_file(output, text)
    if not closed_by:
        return 0
    return _gate(findings or faces.show(directory, "json", "en")[1], closed_by)


def _gate(findings: Findings, closed_by: tuple[str, ...]) -> int:
    """The exit code of the gates asked for. Raises :class:`UsageError` for slo where the run has no service level."""
    from touchstone.report.document import to_json

    report = json.loads(to_json(findings, str, "en"))
    gates.chosen(closed_by, levels=gates.has_levels(report))
    return gates.exit_code(report, closed_by)


def _refuse_page(face: str) -> None:
    from touchstone.errors import UsageError

    if face == "html":
        raise UsageError("--metrics-as has no HTML.", "Use --format text, md or json.")
