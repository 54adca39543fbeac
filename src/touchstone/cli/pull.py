"""``touchstone pull``: from a model's name to a whole checkpoint on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from touchstone.cli import language
from touchstone.cli.live_line import LiveLine
from touchstone.clock import now_ns
from touchstone.message import Message, Translate
from touchstone.units import BYTES_PER_GB, seconds, significant

_PLAIN_PERIOD_S = 10.0
_LIVE_PERIOD_S = 0.2


@click.command(context_settings={"show_default": True})
@click.argument("model", metavar="MODEL")
@click.option("--hub", type=click.Choice(["hf", "modelscope", "openmind"]), default="hf", help="Where to fetch it from.")
@click.option("--revision", help="Branch, tag or commit. Default: the hub's main branch, at the commit it is at now.")
@click.option("--output-dir", "-o", type=click.Path(path_type=Path), help="Where to put it. Default: the cache.")
@click.option("--token-env", metavar="NAME", help="Variable that holds the token. Default: HF_TOKEN, MODELSCOPE_API_TOKEN or OPENMIND_TOKEN.")
@click.option("--endpoint", metavar="URL", help="Address of the hub or of a mirror. Default: the hub's own variable, then its own address.")
@click.option("--offline", is_flag=True, help="Only find what is on this machine.")
@click.option("--verify", is_flag=True, help="Compare the content of what is here already with its hashes.")
@click.option("--format", "face", type=click.Choice(["text", "json"]), default="text", help="What to print: the directory, or all about it.")
@click.option("--ui", type=click.Choice(["auto", "rich", "plain", "none"]), default="auto", help="Progress on stderr.")
@language.option
def pull(model: str, hub: str, face: str, ui: str, lang: str, **given: object) -> int:
    """Fetch the checkpoint MODEL (owner/name) from a hub and print its directory.

    What is on this machine already is found first. Every file is of one commit and checked against the hub's hashes; an
    interrupted pull goes on where it stopped.
    """
    from touchstone.checkpoints.pull.hubs import HUBS
    from touchstone.checkpoints.pull.pulling import PullRequest
    from touchstone.checkpoints.pull.pulling import pull as fetch
    from touchstone.report.i18n import translator

    translate = translator(language.chosen(lang=lang))
    progress = _PullProgress(translate, ui)
    try:
        pulled = fetch(PullRequest(model=model, hub=HUBS[hub], **given), progress)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        progress.close()
        click.echo(translate("stopped; what was fetched is kept, and the same command goes on with it"), err=True)
        return 130
    finally:
        progress.close()
    click.echo(json.dumps({"path": str(pulled.path), "from": pulled.source, **pulled.record.as_document()}, ensure_ascii=False, indent=1)
               if face == "json" else str(pulled.path))
    return 0


class _PullProgress:
    """Takes the events of a pull and shows them on stderr: a live line on a terminal, plain lines elsewhere."""

    def __init__(self, translate: Translate, ui: str) -> None:
        self._translate, self._line = translate, LiveLine(ui)
        self._said_ns = self._started_ns = 0
        self._first_bytes: int | None = None
        self._waiting = False

    def __call__(self, kind: str, event: Mapping[str, object]) -> None:
        """Take one event."""
        if kind == "note":
            note = event["note"]
            self._say(note.render(self._translate) if isinstance(note, Message) else str(note))
        elif kind == "asking":
            self._say(self._translate("asking {hub} at {endpoint}").format(**event))
        elif kind == "waiting" and not self._waiting:
            self._waiting = True
            self._say(self._translate("another pull is writing {path}; waiting for it").format(**event))
        elif kind == "retry":
            self._say(self._translate("cut off ({detail}); going on in {pause_s} s").format(**event))
        elif kind in {"bytes", "checking"}:
            self._count(kind, int(str(event["done"])), int(str(event["total"])))

    def _count(self, kind: str, done: int, total: int) -> None:
        now = now_ns()
        if self._first_bytes is None:
            self._first_bytes, self._started_ns, self._said_ns = done, now, now
        if seconds(now - self._said_ns) < (_LIVE_PERIOD_S if self._line.live else _PLAIN_PERIOD_S):
            return
        self._said_ns = now
        template = self._translate("fetched {done} of {total} GB") if kind == "bytes" else self._translate("checked {done} of {total} GB")
        text = template.format(done=significant(done / BYTES_PER_GB, 3), total=significant(total / BYTES_PER_GB, 3))
        rate = (done - self._first_bytes) / max(seconds(now - self._started_ns), 1e-3)
        if kind == "bytes" and rate > 0 and done < total:
            text += self._translate(", {rate} MB/s, about {left} s left").format(rate=significant(rate / 1e6, 3), left=round((total - done) / rate))
        (self._line.show if self._line.live else self._line.say)(_plain(text))

    def _say(self, text: str) -> None:
        self._line.say(_plain(text))

    def close(self) -> None:
        """Leave the terminal as it was found."""
        self._line.close()


def _plain(text: str) -> str:
    from touchstone.report.table import plain

    return plain(text)
