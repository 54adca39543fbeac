"""A slow, plain HTTP client: it stamps every read and takes answers apart by the letter of the RFCs."""

from __future__ import annotations

import json
import socket
import ssl
import time
from dataclasses import dataclass, field

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"


@dataclass
class Reply:
    """``reads`` are (stamp, bytes received so far); ``closed`` is how the peer ended: None (it did not), "fin" or "reset"."""

    raw: bytes = b""
    reads: list[tuple[int, int]] = field(default_factory=list)
    closed: str | None = None
    sent_before_ns: int = 0
    sent_after_ns: int = 0

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def status(self) -> int:
        return int(self.head.split(b" ")[1])

    @property
    def headers(self) -> dict[str, str]:
        return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in self.head.decode().split("\r\n")[1:])}

    @property
    def body(self) -> bytes:
        rest = self.raw.partition(b"\r\n\r\n")[2]
        if self.headers.get("transfer-encoding") != "chunked":
            return rest
        body, at = bytearray(), 0
        while at < len(rest):
            end = rest.index(b"\r\n", at)
            length, start = int(rest[at:end], 16), end + 2
            at = start + length + 2
            assert len(rest) < at or rest[at - 2:at] == b"\r\n"
            if not length:
                assert at == len(rest)
                break
            body += rest[start:start + length]
        return bytes(body)

    @property
    def events(self) -> list[str]:
        """Data of the server-sent events, in order."""
        lines = self.body.replace(b"\r\n", b"\n")
        blocks = lines.split(b"\n\n")
        assert blocks[-1] == b""
        assert all(block.startswith(b"data: ") for block in blocks[:-1])
        return [block.removeprefix(b"data: ").decode() for block in blocks[:-1]]

    @property
    def chunks(self) -> list[dict]:
        """The events that are JSON, decoded."""
        return [json.loads(event) for event in self.events if event != "[DONE]"]

    @property
    def json(self) -> dict:
        return json.loads(self.body)


def connect(server) -> socket.socket:
    host, _, port = server.base_url.partition("//")[2].rpartition(":")
    sock = socket.create_connection((host, int(port)), timeout=20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if server.base_url.startswith("https"):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    return sock


def post(path: str, body: dict, **headers: str) -> bytes:
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(content)}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def chat(text: str = "one two three", *, stream: bool = True, headers: dict | None = None, **more) -> bytes:
    return post(CHAT, {"messages": [{"role": "user", "content": text}], "stream": stream, "max_tokens": 4, **more}, **(headers or {}))


def complete(prompt="one two three", *, stream: bool = True, **more) -> bytes:
    return post(COMPLETIONS, {"prompt": prompt, "stream": stream, "max_tokens": 4, **more})


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode()


def is_whole(raw: bytes | bytearray) -> bool:
    """Whether a message with a length or a chunked body is all there."""
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = raw[:end].lower()
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(raw) - end - 4 >= int(line.partition(b":")[2])
    return b"chunked" in head and raw.endswith(b"\r\n0\r\n\r\n")


def read(sock: socket.socket, reply: Reply | None = None) -> Reply:
    """One answer, or as much of it as the peer sends before it closes."""
    reply = reply or Reply()
    raw = bytearray(reply.raw)
    while not is_whole(raw):
        try:
            data = sock.recv(1 << 20)
        except ConnectionResetError:
            reply.closed = "reset"
            break
        if not data:
            reply.closed = "fin"
            break
        raw += data
        reply.reads.append((time.monotonic_ns(), len(raw)))
    reply.raw = bytes(raw)
    return reply


def ask(sock: socket.socket, request: bytes) -> Reply:
    """Send ``request`` and read its answer."""
    reply = Reply(sent_before_ns=time.monotonic_ns())
    sock.sendall(request)
    reply.sent_after_ns = time.monotonic_ns()
    return read(sock, reply)


def ask_once(server, request: bytes) -> Reply:
    """The same on a connection of its own."""
    with connect(server) as sock:
        return ask(sock, request)
