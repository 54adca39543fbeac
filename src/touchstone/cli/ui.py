"""``touchstone ui``: the runs of a directory in a local page."""

from __future__ import annotations

from pathlib import Path

import click

from touchstone.cli import language


@click.command(context_settings={"show_default": True})
@click.argument("directory", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0 is any free one.")
@click.option("--host", default="127.0.0.1", help="Address of this machine to listen on; none that others could reach.")
@click.option("--open/--no-open", "opened", default=False, help="Open the page in a browser.")
@language.option
def ui(directory: Path, *, port: int, host: str, opened: bool, lang: str) -> int:
    """Browse the runs below DIRECTORY: open reports, follow a run, compare two, audit a pasted table.

    There is no account: everybody who works on this machine can open the page, and nobody else.
    """
    from touchstone.cli.inert import inert

    _must_be_there()
    from touchstone.run_directories import must_hold_runs
    from touchstone.ui.pages import Speech
    from touchstone.ui.serving import listen, serve

    must_hold_runs(directory)
    listening = listen(host, port)
    address = f"http://{listening.hosts[0]}/"
    click.echo(address, err=True)
    if opened:
        import webbrowser

        webbrowser.open(address)
    serve(directory, listening, Speech(language.chosen(lang=lang), lang in language.LANGUAGES), lambda text: click.echo(inert(text), err=True))
    return 0


def _must_be_there() -> None:
    from importlib.util import find_spec

    from touchstone.errors import NotReadyError

    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise NotReadyError("The run browser needs {missing}, which is not installed.", "pip install 'llm-touchstone[ui]'", missing=", ".join(missing))
