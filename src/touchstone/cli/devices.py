"""``touchstone devices``: the accelerators of this machine, or of a saved output of npu-smi or nvidia-smi."""

from __future__ import annotations

import click

from touchstone.cli import language


@click.command(context_settings={"show_default": True})
@click.option("--from-file", "source", metavar="FILE|-", help="Read a saved output of npu-smi or nvidia-smi instead of asking the drivers here.")
@click.option("--format", "face", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@language.option
def devices(source: str | None, face: str, lang: str) -> None:
    """List the accelerators: name, health, power, temperature, utilisation, memory and the processes that hold it.

    FILE may hold any output of npu-smi info (also -m, -l, -t ..., watch) or nvidia-smi (also -L, -q, dmon, --query-gpu=...), or several.
    """
    from touchstone.report.devices_text import DEVICE_FACES
    from touchstone.report.i18n import translator

    if source is None:
        from touchstone.measure.devices.driver_tools import read_machine

        found = read_machine()
    else:
        from touchstone.cli.results import read_driver_listing

        found = read_driver_listing(source)
    click.echo(DEVICE_FACES[face](found, translator(language.chosen(lang=lang))))
