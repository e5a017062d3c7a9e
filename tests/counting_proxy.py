"""A real HTTP proxy on loopback that counts requests by kind, and can answer in their place."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Instead = Callable[[str, str], int | None]
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "te", "upgrade", "trailer")
_NOT_PASSED_ON = frozenset([*_HOP_BY_HOP, "content-length", "expect"])


@dataclass
class CountingProxy:
    """What passed: `counts` by kind (LIST, HEAD, GET, PUT, COPY, DELETE, or the method).

    `instead(kind, path)` may return a status to answer at once, without asking the server.
    """

    port: int
    counts: Counter[str] = field(default_factory=Counter)
    instead: Instead | None = None
    watched: tuple[str, str] = ("", "")  # a header with its value
    without: Counter[str] = field(default_factory=Counter)  # requests by kind that lack it

    def take(self) -> dict[str, int]:
        """Return the counts since the last time and begin anew."""
        taken, self.counts = self.counts, Counter()
        return dict(taken)


@contextlib.contextmanager
def counting(target_port: int) -> Iterator[CountingProxy]:
    """Run a proxy in front of a server on loopback."""
    proxy = CountingProxy(0)
    server = _Server(proxy, target_port)
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kind_of(method: str, path: str, headers: Message) -> str:
    """Return what a request is on S3; elsewhere its method."""
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    if method == "GET" and {"list-type", "prefix", "delimiter", "max-keys"} & set(query):
        return "LIST"
    if method == "PUT" and headers.get("x-amz-copy-source"):
        return "COPY"
    return method


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: CountingProxy, target_port: int) -> None:
        self.proxy = proxy
        self.target_port = target_port
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client goes away; that is what killed programs do."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    upstream: http.client.HTTPConnection | None = None

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def finish(self) -> None:
        if self.upstream is not None:
            self.upstream.close()
        super().finish()

    def handle_any(self) -> None:
        assert isinstance(self.server, _Server)
        proxy = self.server.proxy
        body = _body_of(self)
        kind = kind_of(self.command, self.path, self.headers)
        proxy.counts[kind] += 1
        name, value = proxy.watched
        proxy.without[kind] += bool(name) and self.headers.get(name) != value
        status = proxy.instead(kind, self.path) if proxy.instead else None
        if status is None:
            self._pass_on(body, self.server.target_port)
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _pass_on(self, body: bytes | None, target_port: int) -> None:
        if self.upstream is None:
            self.upstream = http.client.HTTPConnection("127.0.0.1", target_port)
        link = self.upstream
        link.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in _end_to_end(self.headers.items()):
            link.putheader(name, value)
        if body is not None or self.command in {"PUT", "POST"}:
            link.putheader("Content-Length", str(len(body or b"")))
        link.endheaders(body)
        answer = link.getresponse()
        content = answer.read()
        self.send_response_only(answer.status, answer.reason)
        for name, value in _end_to_end(answer.getheaders()):
            self.send_header(name, value)
        told = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", told or str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _end_to_end(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return ((n, v) for n, v in headers if n.lower() not in _NOT_PASSED_ON)


def _body_of(request: BaseHTTPRequestHandler) -> bytes | None:
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        length = int(request.headers.get("Content-Length") or 0)
        return request.rfile.read(length) if length else None
    parts = []
    while size := int(request.rfile.readline().split(b";")[0], 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(parts)


for _method in (
    *("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"),
    *("PROPFIND", "PROPPATCH", "MKCOL", "MOVE", "COPY", "LOCK", "UNLOCK"),
):
    setattr(_Handler, f"do_{_method}", _Handler.handle_any)
