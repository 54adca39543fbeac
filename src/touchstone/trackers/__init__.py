"""Trackers: where a team keeps its experiments. A tracker is a module with ``send`` and a row of ``TRACKERS``.

Called after a run, never during one; a library is imported when its tracker is asked for. Nothing leaves the machine unless the user
says so. What is sent: :mod:`touchstone.trackers.facts`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from touchstone.errors import NotReadyError, TouchstoneError, unknown_name
from touchstone.message import say

if TYPE_CHECKING:
    from touchstone.trackers.tracked import Sent, Settings, Tracked


@dataclass(frozen=True)
class Row:
    """How a tracker is found (``module:function``), the extra that installs it and a module that then exists.

    ``variables`` of the environment hold while it works, unless the user has set them.
    """

    path: str
    extra: str
    module: str
    variables: Mapping[str, str]


TRACKERS: Mapping[str, Row] = {
    "swanlab": Row("touchstone.trackers.swanlab:send", "swanlab", "swanlab", {}),
    "mlflow": Row("touchstone.trackers.mlflow:send", "mlflow", "mlflow", {
        "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true",  # a file per value needs no database
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # else an absent server costs many minutes
    }),
    "wandb": Row("touchstone.trackers.wandb:send", "wandb", "wandb", {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}),
    "otel": Row("touchstone.trackers.otel:send", "otel", "opentelemetry.exporter.otlp.proto.http", {}),
}
_SHOWN = 300


def require(names: Iterable[str]) -> None:
    """Raise :class:`NotReadyError` for a tracker whose library is not installed, and an error for one that nobody knows."""
    for name in names:
        if name not in TRACKERS:
            raise unknown_name(say("tracker"), name, TRACKERS)
        if not _is_there(TRACKERS[name].module):
            raise NotReadyError("The library of {tracker} is not installed.", "pip install 'llm-touchstone[{extra}]'",
                                tracker=name, extra=TRACKERS[name].extra)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # of the package around it; a module that was made by hand has no spec
        return False


def send(name: str, tracked: Tracked, settings: Settings) -> Sent:
    """Give ``tracked`` to the tracker ``name``. Raises :class:`NotReadyError` where its library is missing or it refuses."""
    from touchstone.report.table import shortened
    from touchstone.trackers.facts import shown_address
    from touchstone.trackers.surroundings import surroundings

    require([name])
    row = TRACKERS[name]
    module, _, function = row.path.partition(":")
    try:
        with surroundings(row.variables):
            sent: Sent = getattr(importlib.import_module(module), function)(tracked, settings)
    except TouchstoneError:
        raise
    except (Exception, SystemExit) as error:  # a library may raise anything, and the run must outlive it
        raise NotReadyError("{tracker} did not take the run: {error}.",
                            "Nothing of the run is lost. When the cause is gone: touchstone export {directory} --to {tracker}",
                            tracker=name, error=shortened(shown_address(str(error)).strip(". \n") or type(error).__name__, _SHOWN),
                            directory=tracked.directory) from error
    return sent
