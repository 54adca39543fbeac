"""``touchstone doctor``: what is wrong with this machine, and how to cure it."""

from __future__ import annotations

import os

import click

from touchstone.cli import language


@click.command(context_settings={"show_default": True})
@click.option("--deep", is_flag=True, help="Also import torch and torch_npu, in processes of their own (seconds).")
@click.option("--format", "face", type=click.Choice(["text", "json"]), default="text", help="What to print.")
@click.option("--fail-on", type=click.Choice(["problem"]), help="Exit with 4 if there is one.")
@language.option
def doctor(*, deep: bool, face: str, fail_on: str | None, lang: str) -> int:
    """Say what is wrong with this machine: driver, CANN, versions that do not go together, variables and settings that spoil a measurement.

    It reads files and metadata, changes nothing, and imports nothing unless asked with --deep.
    """
    from touchstone.diagnosis import Severity
    from touchstone.judge.doctor import diagnose
    from touchstone.measure.machine import read_machine, try_imports
    from touchstone.report.doctor_text import DOCTOR_FACES
    from touchstone.report.i18n import translator

    machine = read_machine(imports=try_imports(os.environ) if deep else ())
    diagnoses = diagnose(machine)
    click.echo(DOCTOR_FACES[face](machine, diagnoses, translator(language.chosen(lang=lang))))
    return 4 if fail_on and any(one.severity is Severity.PROBLEM for one in diagnoses) else 0
