"""``touchstone serve``: a reference server that follows a script, to play against."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from touchstone.cli import language

_LOOPBACK = ("127.", "::1", "localhost")


@click.command(context_settings={"show_default": True})
@click.option("--scripted", is_flag=True, help="Follow a script and log the true times of every event.")
@click.option("--script", metavar="FILE", help="YAML or JSON file with lines of the script; the options below are laid over it.")
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0 is any free one.")
@click.option("--processes", type=click.IntRange(min=1), default=1, help="Processes that share the port.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Write the true times to this file at the end, as JSON lines.")
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Certificate to serve HTTPS with.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Its key.")
@click.option("--ttft", "ttft_s", metavar="TIME", help="From the request to the first token: 50ms.")
@click.option("--itl", "itl_s", metavar="TIME", help="From one token event to the next: 20ms.")
@click.option("--jitter", metavar="SHARE", help="Vary each of these by up to this share: 10%.")
@click.option("--ttft-per-input-token", "ttft_per_input_token_s", metavar="TIME", help="More time to the first token per prompt token.")
@click.option("--output-tokens", "--output-len", type=click.IntRange(min=1), help="Most tokens of an answer.")
@click.option("--tokens-per-event", type=click.IntRange(min=1), help="Tokens in each event.")
@click.option("--concurrency", type=click.IntRange(min=1), help="Requests answered at a time; the others queue.")
@click.option("--role-first", is_flag=True, default=None, help="Begin a chat with an event that carries only the role.")
@click.option("--reasoning-tokens", type=click.IntRange(min=0), help="The first tokens are reasoning.")
@click.option("--usage", type=click.Choice(["last", "late", "missing", "continuous"]), help="When token counts are sent.")
@click.option("--cache", is_flag=True, default=None, help="Keep a prefix cache.")
@click.option("--model", help="Name of the model.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of jitter and faults.")
@click.option("--fault", "faults", multiple=True, metavar="KIND=SHARE", help="Let this share of requests fail: http_500=5%. May be repeated.")
@click.option("--until-stdin-ends", is_flag=True, hidden=True, help="Stop when standard input ends.")
@language.option
def serve(**given: Any) -> int:
    """Serve OpenAI-style completions from a script, with known true timing."""
    from touchstone.errors import UsageError
    from touchstone.measure.scripted import Address, parse_script, read_script, serve_forever
    from touchstone.report.i18n import translator

    if not given["scripted"]:
        raise UsageError("Only a scripted server is there.", "touchstone serve --scripted")
    content = read_script(given["script"]) if given["script"] else {}
    options = {name: value for name, value in given.items() if value is not None and name not in _ABOUT_SERVING}
    if given["faults"]:
        content["faults"] = {**(content.get("faults") or {}), **_faults(given["faults"])}
    source = given["script"] if given["script"] and not given["script"].lstrip().startswith("{") else "--script"
    script = parse_script({**content, **options}, source)
    if not given["host"].startswith(_LOOPBACK):
        translate = translator(language.chosen(lang=given["lang"]))
        click.echo(translate("Anybody who can reach this address can use the server."), err=True)
    address = Address(given["host"], given["port"], given["processes"], given["tls_cert"], given["tls_key"])
    lifeline = sys.stdin.fileno() if given["until_stdin_ends"] else None
    stopped = serve_forever(script, address, _announce, log=given["log"], lifeline=lifeline)
    return 130 if stopped == "interrupted" else 0


_ABOUT_SERVING = frozenset({"scripted", "script", "host", "port", "processes", "log", "tls_cert", "tls_key", "faults", "until_stdin_ends", "lang"})


def _announce(base_url: str) -> None:
    # Whoever started the server waits for this line; it must not stay in a buffer.
    click.echo(f"listening on {base_url}")
    sys.stdout.flush()


def _faults(given: tuple[str, ...]) -> dict[str, str]:
    from touchstone.errors import UsageError, unknown_name
    from touchstone.measure.scripted import FAULTS
    from touchstone.message import say

    faults: dict[str, str] = {}
    for one in given:
        kind, equals, share = one.partition("=")
        if not equals:
            raise UsageError("--fault takes a kind and a share, such as http_500=5%, not {value}.", value=one)
        if kind not in FAULTS:
            raise unknown_name(say("fault"), kind, FAULTS)
        faults[kind] = share
    return faults
