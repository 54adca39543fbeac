"""Hubs on this machine: what the three client libraries ask of their hubs, answered from memory, with faults on demand.

openMind's library asks over https only, and only hosts of a list of its own. It is given a proxy that leads its host to a TLS server with a
certificate made here, by variables of the environment alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = 100_000
"""Files from this size are kept apart from git by the hubs and have a sha256."""


def commit_of(number: int) -> str:
    return hashlib.sha1(b"commit %d" % number).hexdigest()


def blob_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Sent:
    """One answered request."""

    method: str
    path: str
    status: int
    bytes: int
    range: str | None
    authorization: str | None


@dataclass
class Hub:
    """A hub with one model. ``refs`` name commits, ``commits`` hold files; the rest are faults.

    ``cuts`` are, per file, after how many bytes its next answers break off; ``lies`` are contents that are sent instead of the true ones;
    ``listed`` are rows put into the listing as they are; ``status`` answers everything; ``file_status`` only files; ``pause_s`` is
    waited before every 64 KiB of a file.
    """

    kind: str
    model: str = "org/name"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    lies: dict[str, list[bytes]] = field(default_factory=dict)
    listed: list[dict] = field(default_factory=list)
    status: int | None = None
    file_status: int | None = None
    code: str | None = None
    pause_s: float = 0.0
    log: list[Sent] = field(default_factory=list)
    began: threading.Event = field(default_factory=threading.Event)
    answering: int = 0
    turn: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    endpoint: str = ""

    def publish(self, ref: str, files: dict[str, bytes]) -> str:
        commit = commit_of(len(self.commits))
        self.commits[commit], self.refs[ref] = files, commit
        return commit

    def commit(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)

    @contextlib.contextmanager
    def answer(self) -> Iterator[None]:
        """While a request is answered: its line of the log is written last, when the client may be further on."""
        with self.turn:
            self.answering += 1
        try:
            yield
        finally:
            with self.turn:
                self.answering -= 1
                self.turn.notify_all()

    def settle(self) -> None:
        """Waits until every request that came is answered, so that the log is whole."""
        with self.turn:
            assert self.turn.wait_for(lambda: not self.answering, 60)

    def forget(self) -> None:
        """An empty log, which no earlier request writes into."""
        self.settle()
        self.log.clear()

    @property
    def downloads(self) -> list[Sent]:
        """The answers that were a file."""
        self.settle()
        return [sent for sent in self.log if sent.method == "GET" and ("/resolve/" in sent.path or "/media/" in sent.path or "FilePath=" in sent.path)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        parts, hub = urlsplit(self.path), self.hub
        path, query = unquote(parts.path), {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if hub.status:
            return self._json(hub.status, {"Code": hub.status, "Message": "denied", "code": "denied"})
        with hub.answer():
            return {"hf": self._hf, "modelscope": self._modelscope, "openmind": self._openmind}[hub.kind](path, query)

    def _hf(self, path, _query):
        hub, head = self.hub, f"/api/models/{self.hub.model}/revision/"
        if path.startswith(head):
            commit = hub.commit(path.removeprefix(head))
            if commit is None:
                return self._json(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
            rows = [{"rfilename": name, "size": len(content), "blobId": blob_sha1(content),
                     **({"lfs": {"sha256": sha256(content), "size": len(content), "pointerSize": 134}} if len(content) >= LARGE else {})}
                    for name, content in hub.commits[commit].items()]
            return self._json(200, {"id": hub.model, "modelId": hub.model, "sha": commit, "private": False, "siblings": rows + hub.listed})
        head = f"/{hub.model}/resolve/"
        if path.startswith(head):
            revision, _, name = path.removeprefix(head).partition("/")
            return self._file(revision, name)
        return self._json(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})

    def _modelscope(self, path, query):
        hub, head = self.hub, f"/api/v1/models/{self.hub.model}"
        if path == f"{head}/revisions":
            branches = [{"Revision": ref, "CreatedAt": 1} for ref in hub.refs]
            return self._json(200, {"Code": 200, "Data": {"RevisionMap": {"Branches": branches, "Tags": []}}})
        if path == f"{head}/repo/files":
            commit = hub.commit(query["Revision"])
            if commit is None:
                return self._json(404, {"Code": 10010205001, "Message": "no such revision"})
            order = list(hub.commits)
            rows = [{"Path": name, "Name": name, "Size": len(content), "Type": "blob", "Sha256": sha256(content), "Revision": commit,
                     "CommittedDate": 1_700_000_000 + order.index(commit)} for name, content in hub.commits[commit].items()]
            folder = {"Path": "folder", "Name": "folder", "Size": 0, "Type": "tree", "Revision": commit, "CommittedDate": 1}
            return self._json(200, {"Code": 200, "Success": True, "Data": {"Files": [*rows, *hub.listed, folder]}})
        if path == f"{head}/repo":
            return self._file(query["Revision"], query["FilePath"])
        return self._json(404, {"Code": 10010205001, "Message": "model not found"})

    def _openmind(self, path, query):
        hub, head = self.hub, f"/api/v1/file/{self.hub.model}"
        if path == head:
            commit = hub.commit(query["ref"])
            if commit is None:
                return self._json(404, {"code": "ref_not_exist", "msg": "no such ref"})
            last = {"commit": {"commit_sha": commit, "created": "2026-01-02T03:04:05Z", "message": "m"}}
            tree = [{"type": "file", "path": name, "size": len(content), "is_lfs": len(content) >= LARGE,
                     "etag": sha256(content) if len(content) >= LARGE else blob_sha1(content)} for name, content in hub.commits[commit].items()]
            return self._json(200, {"data": {"tree": tree + hub.listed, "last_commit": last}})
        if path.startswith(head) and "/media/" in path:
            revision, _, name = path.removeprefix(f"{head}/").partition("/media/")
            return self._file(revision, name)
        return self._json(404, {"code": "resource_not_found", "msg": "no such model"})

    def _file(self, revision, name):
        hub = self.hub
        commit = hub.commit(revision)
        if hub.file_status:
            return self._json(hub.file_status, {"error": "no"}, {"X-Error-Code": hub.code} if hub.code else {})
        if commit is None or name not in hub.commits[commit]:
            return self._json(404, {"code": "branch_or_path_not_found"}, {"X-Error-Code": "EntryNotFound"})
        content = hub.lies[name].pop(0) if hub.lies.get(name) else hub.commits[commit][name]
        first = int(self.headers["Range"].removeprefix("bytes=").split("-")[0]) if self.headers["Range"] else 0
        if first and first >= len(content):
            return self._json(416, {}, {"Content-Range": f"bytes */{len(content)}"})
        self.send_response(206 if self.headers["Range"] else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.send_header("ETag", f'"{sha256(content)}"')
        self.send_header("X-Repo-Commit", commit)
        if self.headers["Range"]:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        cut = hub.cuts[name].pop(0) if hub.cuts.get(name) and self.command == "GET" else None
        return self._body(content[first:] if cut is None else content[first:first + cut], broken=cut is not None)

    def _body(self, content, *, broken):
        sent = 0
        try:
            for start in range(0, len(content) if self.command == "GET" else 0, 1 << 16):
                block = content[start:start + (1 << 16)]
                self.wfile.write(block)
                sent += len(block)
                self.hub.began.set()
                time.sleep(self.hub.pause_s)
        except OSError:
            broken = True
        self._note(206 if self.headers["Range"] else 200, sent)
        if broken:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

    def _json(self, status, content, headers=None):
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        self._note(status, len(body))

    def _note(self, status, sent):
        self.hub.log.append(Sent(self.command, self.path, status, sent, self.headers["Range"],
                                 self.headers["Authorization"] or self.headers["Cookie"]))


@contextlib.contextmanager
def served(kind: str, directory: Path) -> Iterator[Hub]:
    """A hub of ``kind`` on a port of its own; ``directory`` is for its certificate."""
    hub = Hub(kind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.port = server.server_address[1]
    with contextlib.ExitStack() as stack:
        if kind == "openmind":
            certificate, key = certificate_for("modelers.cn", directory)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            proxy = stack.enter_context(_proxy_to(hub.port))
            hub.endpoint = "https://modelers.cn"
            hub.variables = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy}", "https_proxy": f"http://127.0.0.1:{proxy}", "no_proxy": "", "NO_PROXY": "",
                             "REQUESTS_CA_BUNDLE": str(certificate)}
        else:
            hub.endpoint = f"http://127.0.0.1:{hub.port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield hub
        finally:
            server.shutdown()
            server.server_close()


def certificate_for(host: str, directory: Path) -> tuple[Path, Path]:
    """A certificate for ``host`` that vouches for itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(timezone.utc)
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1)).add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(key, hashes.SHA256()))
    certificate, secret = directory / f"{host}.pem", directory / f"{host}.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
    return certificate, secret


@contextlib.contextmanager
def _proxy_to(port: int) -> Iterator[int]:
    """A proxy that answers CONNECT, whichever host is named, with a connection to ``port`` here."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_tunnel, args=(client, port), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _tunnel(client: socket.socket, port: int) -> None:
    asked = b""
    while b"\r\n\r\n" not in asked:
        block = client.recv(4096)
        if not block:
            return
        asked += block
    assert asked.startswith(b"CONNECT ")
    server = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(1 << 16):
                sink.sendall(block)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)
