"""The command line: one verb, one file, imported when it is called."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping, Sequence

import click

from touchstone import __version__
from touchstone.cli import streams
from touchstone.cli.inert import inert
from touchstone.errors import TouchstoneError
from touchstone.message import say

_VERBS: Mapping[str, tuple[str, str]] = {
    "run": ("touchstone.cli.run:run", "Measure a suite on an engine in this machine and print the report."),
    "load": ("touchstone.cli.load:load", "Offer a load to a server and print the report."),
    "search": ("touchstone.cli.search:search", "Find the highest load at which a server keeps its service levels."),
    "serve": ("touchstone.cli.serve:serve", "Serve a scripted endpoint whose true times are known."),
    "report": ("touchstone.cli.report:report", "Write the report of a run: text, Markdown, JSON or a page."),
    "list": ("touchstone.cli.listing:list_", "List the runs of a directory."),
    "show": ("touchstone.cli.show:show", "Show one run: what was measured, and every trial of it."),
    "ui": ("touchstone.cli.ui:ui", "Browse the runs of a directory in a local page."),
    "audit": ("touchstone.cli.audit:audit", "Say of each row of a table, anybody's, whether it can be true."),
    "compare": ("touchstone.cli.compare:compare", "Say what changed between two runs, and how sure that is."),
    "aa": ("touchstone.cli.aa:aa", "Compare a configuration with itself: the noise below which nothing changed."),
    "history": ("touchstone.cli.history:history", "Show the runs of a directory over time, and where they changed."),
    "lint": ("touchstone.cli.lint:lint", "Find mistakes of method in a benchmark script."),
    "devices": ("touchstone.cli.devices:devices", "List the accelerators here, or in a saved npu-smi or nvidia-smi output."),
    "doctor": ("touchstone.cli.doctor:doctor", "Say what is wrong with this machine, and how to cure it."),
    "explain": ("touchstone.cli.explain:explain", "Say what a failure message in a log means, and what cures it."),
    "footprint": ("touchstone.cli.footprint:footprint", "Say where a model's memory goes, and how many sessions fit."),
    "pull": ("touchstone.cli.pull:pull", "Fetch a checkpoint from a hub, verified and pinned."),
    "import": ("touchstone.cli.importing:import_", "Read a results file of another tool, in our words."),
    "export": ("touchstone.cli.export:export", "Write a run in the format of another tool."),
}
_HIDDEN: Mapping[str, tuple[str, str]] = {
    "launch": ("touchstone.cli.launch:launch", "One process of a run; started by run."),
    "guard": ("touchstone.cli.guard:guard", "Between a run and a server that it started; started by run."),
    "llamacpp-host": ("touchstone.cli.llamacpp_host:llamacpp_host", "llama.cpp's HTTP server; started by run."),
    "sample": ("touchstone.cli.sample:sample", "Watches a run's process and devices; started by run."),
    "load-worker": ("touchstone.cli.load_worker:load_worker", "One process of a load test; started by load."),
}


class _Verbs(click.Group):
    """Lists verbs without importing them, so that --help is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = _VERBS.get(cmd_name) or _HIDDEN.get(cmd_name)
        if row is None:
            return None
        module, _, name = row[0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        from touchstone.errors import unknown_name

        if args and not args[0].startswith("-") and args[0] not in _VERBS and args[0] not in _HIDDEN:
            raise unknown_name(say("command"), args[0], _VERBS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _VERBS.items()])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "TOUCHSTONE"})
@click.version_option(__version__, "-V", "--version", prog_name="touchstone")
def touchstone() -> None:
    """Benchmark LLM inference on Ascend NPU, CUDA GPU and CPU, and say whether to believe the number."""


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are said on stderr in the user's language."""
    try:
        result = touchstone.main(args=list(arguments), prog_name="touchstone", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _misused(error, arguments)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except TouchstoneError as error:
        return _failed(error, arguments)
    except OSError as error:
        return _unprinted(error, arguments)


def _unprinted(error: OSError, arguments: Sequence[str]) -> int:
    if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has seen enough
        streams.silence()
        return 0
    return _failed(streams.unprinted(error), arguments)


def _misused(error: click.ClickException, arguments: Sequence[str]) -> int:
    from touchstone.cli.wrong_words import in_words

    if isinstance(error, click.UsageError) and not isinstance(error, click.exceptions.NoArgsIsHelpError):
        return _failed(in_words(error), arguments)
    with contextlib.suppress(OSError):
        error.show()
    return error.exit_code


def _failed(error: TouchstoneError, arguments: Sequence[str]) -> int:
    from touchstone.cli.language import chosen
    from touchstone.report.i18n import translator

    streams.print_aside(f"touchstone: {inert(error.render(translator(chosen(arguments))))}")
    return error.exit_code
