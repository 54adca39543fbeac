"""llama.cpp's HTTP server from the xllamacpp wheel, where the llama-server program is not installed; hidden."""

from __future__ import annotations

import click


@click.command(hidden=True, context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def llamacpp_host(arguments: tuple[str, ...]) -> int:
    """Serve a GGUF file; ARGUMENTS are llama-server's."""
    from touchstone.measure.servers.llamacpp_host import parse, serve

    serve(parse(arguments))
    return 0
