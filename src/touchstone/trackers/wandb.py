"""Weights & Biases: kept in the run's directory in offline mode, to be uploaded by ``wandb sync``; online only where the user asks for it."""

from __future__ import annotations

import os

from touchstone.message import say
from touchstone.trackers import facts
from touchstone.trackers.attachments import attach
from touchstone.trackers.tracked import Sent, Settings, Tracked

_PATIENCE_S = 30


def send(tracked: Tracked, settings: Settings) -> Sent:
    """Keep or upload the run. Raises whatever the library does."""
    import wandb

    findings, place = tracked.findings, tracked.directory.resolve() / "wandb"
    online = settings.online or os.environ.get("WANDB_MODE") == "online"
    reports = attach(findings, tracked.directory, place / "reports")
    tags = facts.tags(findings)
    run = wandb.init(
        project=settings.project, name=facts.title(findings), notes=tracked.note or None, dir=str(tracked.directory.resolve()),
        tags=["touchstone", tags["trust"], tags["kind"]], config={**facts.parameters(tracked), **tags},
        settings=wandb.Settings(mode="online" if online else "offline", init_timeout=_PATIENCE_S, **_MODEST))
    try:
        run.summary.update({number.key: number.value for number in facts.numbers(findings)})
        for report in reports:
            run.save(str(report), base_path=str(place / "reports"), policy="now")
    except BaseException:
        run.finish(exit_code=1)
        raise
    where, url = run.settings.sync_dir, run.url
    run.finish()
    wandb.teardown()  # ends the library's own process, which is the one that writes: only then is the file whole
    return Sent(say("sent to {url}", url=url) if online else
                say("kept in {place}; nothing has left this machine. To upload it: {command}", place=where, command=f"wandb sync {where}"))


_MODEST = {"silent": True, "host": "", "console": "off", "disable_git": True, "disable_code": True, "save_code": False,
           "disable_job_creation": True, "x_disable_stats": True, "x_disable_meta": True, "x_disable_machine_info": True, "x_save_requirements": False}
"""Nothing is collected of the machine: the run says itself what it was measured on."""
