"""Servers that a run starts, waits for, measures and stops: one file each, one row in ``SERVERS``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from touchstone.measure.servers import asking
from touchstone.measure.servers.commands import ServerCommand, ServerSpec
from touchstone.request import Request


class Body(Protocol):
    """Makes the fields of a request's JSON body, all but a prompt in text."""

    def __call__(self, request: Request, model: str, *, stream: bool) -> dict[str, Any]:
        """The fields."""


@dataclass(frozen=True)
class ServerRow:
    """How a server is started (``module:function``) and asked. ``takes_ids``: the prompt goes as token ids, else as their text."""

    builder: str
    body: Body
    takes_ids: bool

    def build(self, spec: ServerSpec) -> ServerCommand:
        """The command that starts it."""
        module, _, name = self.builder.partition(":")
        build: Callable[[ServerSpec], ServerCommand] = getattr(importlib.import_module(module), name)
        return build(spec)


SERVERS: Mapping[str, ServerRow] = {
    "transformers-serve": ServerRow("touchstone.measure.servers.commands.transformers:build", asking.transformers_serve, takes_ids=False),
    "llamacpp-server": ServerRow("touchstone.measure.servers.commands.llamacpp:build", asking.llamacpp, takes_ids=True),
    "vllm-server": ServerRow("touchstone.measure.servers.commands.vllm:build", asking.openai_ids, takes_ids=True),
    "sglang-server": ServerRow("touchstone.measure.servers.commands.sglang:build", asking.openai_ids, takes_ids=True),
    "mindie": ServerRow("touchstone.measure.servers.commands.mindie:build", asking.openai_text, takes_ids=False),
}
