"""Waits until a started server answers, and makes sure that it is the one that was started, with the model it was given."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import psutil

from touchstone.clock import now_ns, sleep
from touchstone.errors import EngineError, NotReadyError
from touchstone.measure.load.connection import Address
from touchstone.measure.load.exchange import get_json
from touchstone.measure.servers.process import ServerProcess
from touchstone.units import seconds

_LOOK_S = 0.25
_ANSWER_S = 5.0
_OK = 200
_OTHER_SIZE = 1.3  # embeddings that are shared may be counted once or twice

Progress = Callable[[float, str], None]
"""Called with the seconds waited so far and the newest line of the server's log."""


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as one:
        one.bind((host, 0))
        return int(one.getsockname()[1])


def await_ready(server: ServerProcess, address: Address, limit_s: float, progress: Progress) -> float:
    """Wait until ``server`` is ready; returns the seconds it took. ``progress`` may raise to end the waiting.

    Raises :class:`EngineError` where it ends first, is not ready within ``limit_s``, or somebody else answers at its address.
    """
    started_ns = now_ns()
    while True:
        how = server.ended()
        if how is not None:
            raise server.failure(how)
        if _answers(server, address) and _has_said(server):
            _check_owner(server, address)
            return seconds(now_ns() - started_ns)
        waited_s = seconds(now_ns() - started_ns)
        if waited_s > limit_s:
            raise EngineError("The server was not ready within {limit} s. {said}", "--start-timeout allows more. {advice}",
                              limit=round(waited_s), said=server.last_words().said, advice=server.last_words().advice)
        progress(waited_s, server.newest_line())
        sleep(_LOOK_S)


def _answers(server: ServerProcess, address: Address) -> bool:
    try:
        status, _, _ = get_json(address, server.command.ready_path, {}, timeout_s=_ANSWER_S)
    except NotReadyError:
        return False
    return status == _OK


def _has_said(server: ServerProcess) -> bool:
    """Whether the log has the line by which some servers alone say that they are ready."""
    return server.command.ready_line is None or server.has_said(server.command.ready_line)


def _check_owner(server: ServerProcess, address: Address) -> None:
    """Whoever listens at the address must be of the server's tree, as far as this may be seen."""
    family = {process.pid for process in server.tree()}
    try:
        listening = [one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == address.port]
    except psutil.AccessDenied:
        return
    strangers = [one.pid for one in listening if one.pid and one.pid not in family]
    if strangers and not any(one.pid in family for one in listening):
        raise EngineError("Another process (pid {pid}) answers on port {port}, not the server that was started.",
                          "Start again: another port will be chosen.", pid=strangers[0], port=address.port)


def listed_models(address: Address) -> list[dict[str, Any]]:
    """What ``/v1/models`` lists; empty where the server has no such list, or nothing in it."""
    try:
        status, body, _ = get_json(address, "/v1/models", {}, timeout_s=_ANSWER_S * 2)
    except NotReadyError:
        return []
    data = body.get("data") if status == _OK and isinstance(body, dict) else None
    return [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []


def check_model(models: list[dict[str, Any]], wanted: str, longest_tokens: int) -> None:
    """The server must list the model it was started with, and take sequences as long as the plan's. Raises :class:`EngineError`.

    A server that lists nothing cannot be checked by its list; its first answers are (the model they name, the prompt's length).
    """
    if not models:
        return
    found = next((one for one in models if one.get("id") == wanted), None)
    if found is None:
        names = ", ".join(str(one.get("id")) for one in models[:3])
        raise EngineError("The server was started with {wanted} but says that it serves {found}.",
                          "Look at its log; nothing was measured.", wanted=wanted, found=names)
    limit = found.get("max_model_len")
    if isinstance(limit, int) and limit < longest_tokens:
        raise EngineError("The server takes sequences of {limit} tokens at most; this plan needs {needed}.",
                          "Shorten the cases, or raise the server's limit.", limit=limit, needed=longest_tokens)


def check_size(models: list[dict[str, Any]], served: str, parameters: int | None) -> None:
    """A server that says how many parameters the model has that it calls ``served`` (llama.cpp's does) must have ``parameters``.

    Raises :class:`EngineError`. Most servers do not say, and then a model of the same tokenizer cannot be told from the one that is meant.
    """
    meta = next((one.get("meta") for one in models if one.get("id") == served), None)
    said = meta.get("n_params") if isinstance(meta, dict) else None
    if isinstance(said, int) and parameters and not 1 / _OTHER_SIZE < said / parameters < _OTHER_SIZE:
        raise EngineError("The server's model {served} has {server} parameters, the one given with --model {own}.",
                          "It serves another model; nothing was measured.", served=served, server=f"{said:,}", own=f"{parameters:,}")
