"""Keeps strangers out of pages that have no account: other names for this host, other sites' forms, and bodies without end.

A page of another site can make a browser ask 127.0.0.1 for anything. What it must not do is read an answer (a name of its own that leads
here, DNS rebinding: the Host it sends is then not ours) or have something done (a form of its own: the Origin is then not ours).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from touchstone.errors import TouchstoneError, UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 2 << 20
_MOST_DISCARDED = 256 << 20
_READING = frozenset({"GET", "HEAD"})
_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin", "cache-control": "no-store",
}
Refuse = Callable[[Request, int, TouchstoneError], Response]


class Guard:
    """Lets through to ``app`` what was meant for one of ``hosts`` (each with its port; the first is the one to name).

    ``carried`` is put into the scope of every request; ``trouble`` hears of what went wrong in ``app``.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], carried: Mapping[str, object], refuse: Refuse, trouble: Callable[[str], None]) -> None:
        self._app, self._hosts, self._carried, self._refuse, self._trouble = app, hosts, carried, refuse, trouble

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":  # there is no web socket here
            await self._answer({**scope, **self._carried}, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = _Answering(send)
        counted = _Counted(receive)
        refused = self._refusal(scope)
        try:
            if refused is None:
                await self._app(scope, counted, answering)
                return
        except Exception as error:  # noqa: BLE001 - whatever it is, the page says so and the server goes on
            self._trouble(f"{scope['method']} {scope['path']}: {type(error).__name__}: {error}")
            refused = 500, broken(error)
        # Whoever still sends would not read an answer: the rest is thrown away first.
        if not answering.started and await counted.discard():
            await self._refuse(Request(scope), *refused)(scope, receive, answering)

    def _refusal(self, scope: Scope) -> tuple[int, TouchstoneError] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return 421, UsageError("{host} is not the address of these pages.", "Open {known}; through ssh -L, with the same port on both sides.",
                                   host=host[:200] or "-", known=f"http://{self._hosts[0]}/")
        if scope["method"] not in _READING and not _own(headers, host):
            return 403, UsageError("A page of another site sent this form.", "Open the page here and fill it in again.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            return 413, _too_large()
        return None


def _own(headers: Headers, host: str) -> bool:
    """Whether a form comes from one of our own pages; every browser says so in one of two ways."""
    origin = headers.get("origin")
    return origin == f"http://{host}" if origin is not None else headers.get("sec-fetch-site") == "same-origin"


def broken(error: Exception) -> TouchstoneError:
    """What a reader is told of a failure that is ours."""
    return TouchstoneError("This page could not be made: {error}.", "The terminal says more.", error=type(error).__name__)


def _too_large() -> TooLargeError:
    return TooLargeError("That is more than {most} MiB.", "Give a part of it, or the file: touchstone audit FILE", most=LARGEST_BODY >> 20)


class TooLargeError(UsageError):
    """A body larger than anything here takes; it was received and thrown away, for whoever still sends reads no answer."""


class _Answering:
    """Sends on, with the headers that every answer has, and knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


class _Counted:
    """Receives, up to the largest body that anything here takes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes, self._whole = 0, False

    async def __call__(self) -> Message:
        message = await self._next()
        if self._bytes > LARGEST_BODY:
            await self.discard()
            raise _too_large()
        return message

    async def discard(self) -> bool:
        """Throw the rest away; False where whoever sends it has gone, or never ends."""
        while not self._whole and self._bytes <= _MOST_DISCARDED:
            if (await self._next())["type"] == "http.disconnect":
                return False
        return self._whole

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        return message
