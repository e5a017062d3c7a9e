"""HTTP as values: a request comes in, an answer goes out; and the threaded server around both.

What it does not do: pipelining over several threads, trailers, content codings.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol, cast
from urllib.parse import parse_qsl, unquote, urlsplit

BLOCK = 1 << 16
_LONGEST_CONTROL_BODY = 1 << 20
_METHODS = (
    *("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"),
    *("PROPFIND", "PROPPATCH", "MKCOL", "MOVE", "COPY", "LOCK", "UNLOCK"),
)


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def readline(self) -> bytes: ...


class Body:
    """The body of a request, read at most once, by its length or in chunks."""

    def __init__(self, source: _Source, length: int, *, chunked: bool) -> None:
        self._source = source
        self._left = length
        self._chunked = chunked

    def blocks(self) -> Iterator[bytes]:
        """Yield what has not been read yet; raise ConnectionError when the client stops early."""
        while block := self._next():
            yield block

    def read(self) -> bytes:
        """Return the whole body of a control call; raise Refused when it is too long."""
        found = bytearray()
        for block in self.blocks():
            found += block
            if len(found) > _LONGEST_CONTROL_BODY:
                raise Refused(detail(413, "The request is too large"))
        return bytes(found)

    def _next(self) -> bytes:
        if self._chunked and self._left == 0:
            self._left = int(self._source.readline().split(b";")[0] or b"0", 16)
            if self._left == 0:
                self._chunked = False
                self._source.readline()
        if self._left == 0:
            return b""
        block = self._source.read(min(BLOCK, self._left))
        if not block:
            raise ConnectionError("the client stopped in the middle of a request")
        self._left -= len(block)
        if self._chunked and self._left == 0:
            self._source.readline()
        return block


@dataclass(frozen=True)
class Request:
    """One request; `path` and `raw_query` are as they were sent, still percent-encoded."""

    method: str
    path: str
    raw_query: str
    headers: Message
    body: Body

    @property
    def query(self) -> dict[str, str]:
        """Return the query, the last value of each name."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    @property
    def plain_path(self) -> str:
        """Return the path with its escapes undone; bytes that are no UTF-8 are kept."""
        return unquote(self.path, errors="surrogateescape")

    def form(self) -> dict[str, str]:
        """Return the fields of a form."""
        return dict(parse_qsl(self.body.read().decode(errors="replace"), keep_blank_values=True))

    def json(self) -> dict[str, object]:
        """Return the object of a JSON body, {} for an empty one; raise Refused (422) otherwise."""
        text = self.body.read()
        try:
            found = json.loads(text or b"{}")
        except ValueError as e:
            raise Refused(invalid("body", "the body is no JSON", "json_invalid")) from e
        if not isinstance(found, dict):
            raise Refused(invalid("body", "the body is no object", "model_attributes_type"))
        return found


@dataclass(frozen=True)
class Answer:
    """One answer; `length` is told when the body comes in blocks."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Iterable[bytes] = b""
    length: int | None = None


class Refused(Exception):  # noqa: N818 - it is an answer, not a failure
    """Ends the handling of a request with an answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Reset(Exception):  # noqa: N818 - what is asked for, not a failure
    """Ends the connection without an answer, as a broken network does."""


def as_json(status: int, data: object, *headers: tuple[str, str]) -> Answer:
    """Return an answer of JSON."""
    kind = ("Content-Type", "application/json")
    return Answer(status, (kind, *headers), json.dumps(data).encode())


def as_html(status: int, text: str) -> Answer:
    """Return a page."""
    return Answer(status, (("Content-Type", "text/html; charset=utf-8"),), text.encode())


def as_xml(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer of XML."""
    kind = ("Content-Type", "application/xml; charset=utf-8")
    return Answer(status, (kind, *headers), text.encode())


def detail(status: int, text: str) -> Answer:
    """Return a refusal as FastAPI words it."""
    return as_json(status, {"detail": text})


def invalid(where: str, why: str, kind: str = "value_error") -> Answer:
    """Return FastAPI's refusal of a field."""
    return as_json(422, {"detail": [{"loc": ["body", where], "msg": why, "type": kind}]})


class Server(ThreadingHTTPServer):
    """A server on loopback that answers with `serve`, one thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, serve: Callable[[Request], Answer]) -> None:
        self.serve = serve
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client goes away; that is what killed programs do."""

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "standin"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        """Log nothing; the stand-in has its own record of requests."""

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        request = Request(self.command, parts.path, parts.query, self.headers, self._body())
        try:
            answer = cast(Server, self.server).serve(request)
        except Refused as refused:
            answer = refused.answer
        except Reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            raise
        for _ in request.body.blocks():
            pass
        self._send(answer)

    def _body(self) -> Body:
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        length = 0 if chunked else int(self.headers.get("Content-Length") or 0)
        return Body(self.rfile, length, chunked=chunked)

    def _send(self, answer: Answer) -> None:
        phrase = http.client.responses.get(answer.status, "")
        self.send_response(answer.status, phrase)
        for name, value in answer.headers:
            self.send_header(name, value)
        blocks = (answer.body,) if isinstance(answer.body, bytes) else answer.body
        length = len(answer.body) if isinstance(answer.body, bytes) else answer.length
        if answer.length is not None:
            length = answer.length
        if length is None:
            self.close_connection = True
            self.send_header("Connection", "close")
        elif answer.status not in {204, 304}:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self._send_blocks(blocks, length)

    def _send_blocks(self, blocks: Iterable[bytes], length: int | None) -> None:
        sent = 0
        for block in blocks:
            self.wfile.write(block)
            sent += len(block)
        if length is not None and sent < length:
            self.close_connection = True  # what is missing shows as a broken connection


for _method in _METHODS:
    setattr(_Handler, f"do_{_method}", _Handler.handle_any)
