"""SwanLab: kept in the run's directory in offline mode, to be uploaded by ``swanlab sync``; online only where the user asks for it."""

from __future__ import annotations

import os
from typing import Any

from touchstone.message import say
from touchstone.trackers import facts
from touchstone.trackers.attachments import attach
from touchstone.trackers.tracked import Sent, Settings, Tracked

_LONGEST_NOTE = 1000


def send(tracked: Tracked, settings: Settings) -> Sent:
    """Keep or upload the run. Raises whatever the library does."""
    import swanlab

    findings, place = tracked.findings, tracked.directory.resolve() / "swanlab"
    online = settings.online or os.environ.get("SWANLAB_MODE") in {"online", "cloud"}
    reports = attach(findings, tracked.directory, place / "reports")
    tags = facts.tags(findings)
    run = swanlab.init(
        project=settings.project, name=facts.title(findings), description=tracked.note[:_LONGEST_NOTE] or None, log_dir=str(place),
        tags=["touchstone", tags["trust"], tags["kind"]], config={**facts.parameters(tracked), **tags},
        mode="online" if online else "offline", settings=_modest(swanlab.Settings))
    try:
        run.log({number.key: number.value for number in facts.numbers(findings)}, step=0)
        for report in reports:
            run.save(report, base_path=place / "reports", policy="now")
    except BaseException:
        run.finish(state="crashed", error="interrupted")
        raise
    where, url = run.dir, run.url if online else None
    run.finish()
    return Sent(say("sent to {url}", url=url) if online else
                say("kept in {place}; nothing has left this machine. To upload it: {command}", place=where, command=f"swanlab sync {where}"))


def _modest(library: Any) -> Any:
    """Nothing is collected of the machine, and nothing is asked: the run says itself what it was measured on."""
    kinds = ("hardware", "runtime", "requirements", "conda", "git", "swanlab", "monitor")
    return library(interactive=False, probe=library.Probe(**dict.fromkeys(kinds, False)), terminal=library.Terminal(proxy_type="none"))
