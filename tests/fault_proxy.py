"""A proxy in front of a real HTTP server that does what bad networks and bad days of a cloud do.

It runs in a thread with a loop of its own. What happens to a request is a value (`Fault`); requests
that no fault is meant for pass through unchanged.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import assert_never
from urllib.parse import parse_qs, unquote, urlsplit

_HOP_BY_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "expect"))
_PIECE = 1024
_SKEW_S = 900
_STAMP = "%Y%m%dT%H%M%SZ"
_CODES = {429: "SlowDown", 500: "InternalError", 503: "SlowDown", 507: "QuotaExceeded"}


@dataclass(frozen=True)
class Answer:
    """Answer in the server's place; `retry_after` in seconds, `code` is the name S3 gives it."""

    status: int
    retry_after: int | None = None
    code: str = ""


@dataclass(frozen=True)
class Drop:
    """Reset the connection: before the server hears of the request, or instead of its answer."""

    heard: bool = False


@dataclass(frozen=True)
class Stall:
    """Say nothing at all; `after` so many bytes of the answer's body when it is not None."""

    after: int | None = None


@dataclass(frozen=True)
class Cut:
    """Reset the connection when so many bytes of the body have passed, upwards or downwards."""

    after: int
    upwards: bool = False


@dataclass(frozen=True)
class Flip:
    """Change one bit of the body, upwards or downwards."""

    upwards: bool = False


@dataclass(frozen=True)
class Rewrite:
    """Answer with another body than the server's, whole and of its own length.

    `make` gets the path that was asked for and the server's body; only successes are changed.
    """

    make: Callable[[str, bytes], bytes]


@dataclass(frozen=True)
class Slow:
    """Let so many bytes of a body pass in a second."""

    bytes_per_s: int


@dataclass(frozen=True)
class Clock:
    """Be a store whose clock is ahead: it tells its time and refuses requests of another one.

    S3 lets the times differ by 15 minutes.
    """

    ahead_s: float


Fault = Answer | Drop | Stall | Cut | Flip | Rewrite | Slow | Clock


@dataclass(frozen=True)
class Request:
    """What is asked for: LIST, HEAD, GET, PUT, COPY, DELETE or the method, and the plain path."""

    kind: str
    path: str


@dataclass
class _Order:
    fault: Fault
    kinds: frozenset[str]
    inside: str
    left: float

    def fits(self, request: Request) -> bool:
        wanted = not self.kinds or request.kind in self.kinds
        return self.left > 0 and wanted and self.inside in request.path


@dataclass
class FaultProxy:
    """What passed and what struck, by kind of request."""

    port: int = 0
    passed: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    _orders: list[_Order] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def strike(
        self, fault: Fault, *kinds: str, inside: str = "", times: float = float("inf")
    ) -> None:
        """Let a fault befall the next `times` requests of these kinds (any, when none is named).

        `inside` is a part of their path.
        """
        with self._turn:
            self._orders.append(_Order(fault, frozenset(kinds), inside, times))

    def heal(self) -> None:
        """Let everything pass from now on."""
        with self._turn:
            self._orders.clear()

    def fault_of(self, request: Request) -> Fault | None:
        """Return what befalls a request, and count it."""
        with self._turn:
            for order in self._orders:
                if order.fits(request):
                    order.left -= 1
                    self.struck[request.kind] += 1
                    return order.fault
            self.passed[request.kind] += 1
            return None


@contextlib.contextmanager
def faulty(target_port: int) -> Iterator[FaultProxy]:
    """Run a proxy in front of a server on loopback."""
    proxy = FaultProxy()
    loop = asyncio.new_event_loop()
    listening = threading.Event()
    ended = asyncio.Event()

    async def serve() -> None:
        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _Link(proxy, target_port, reader, writer, ended).run()

        server = await asyncio.start_server(meet, "127.0.0.1", 0, backlog=128)
        proxy.port = server.sockets[0].getsockname()[1]
        listening.set()
        await ended.wait()
        server.close()
        open_links = asyncio.all_tasks() - {asyncio.current_task()}
        for task in open_links:
            task.cancel()
        await asyncio.gather(*open_links, return_exceptions=True)

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert listening.wait(60), "the proxy does not listen"
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


@dataclass(frozen=True)
class _Message:
    """A request or an answer with its whole body."""

    first: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def get(self, name: str) -> str:
        """Return a header, "" when it is not there."""
        return next((v for n, v in self.headers if n.lower() == name), "")

    def head(self, length: str | None) -> bytes:
        """Return the bytes before the body; no header of one connection goes to another."""
        kept = [(n, v) for n, v in self.headers if n.lower() not in _HOP_BY_HOP]
        if length is not None:
            kept = [(n, v) for n, v in kept if n.lower() != "content-length"]
            kept.append(("Content-Length", length))
        lines = [self.first, *(f"{n}: {v}" for n, v in kept)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


_SKEWED = Answer(403, code="RequestTimeTooSkewed")


class _ResetError(Exception):
    """The connection is to be torn down."""


class _Link:
    """One connection of a client."""

    def __init__(
        self,
        proxy: FaultProxy,
        target_port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ended: asyncio.Event,
    ) -> None:
        self._proxy = proxy
        self._target_port = target_port
        self._reader = reader
        self._writer = writer
        self._ended = ended

    async def run(self) -> None:
        """Serve one request after the other."""
        try:
            while await self._one():
                pass
        except (_ResetError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self._reset()
        finally:
            self._writer.close()

    def _reset(self) -> None:
        """End with a reset instead of a proper end."""
        link = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _one(self) -> bool:
        head = await _head(self._reader)
        if head is None:
            return False
        method = head.first.partition(" ")[0]
        fault = self._proxy.fault_of(_request(head))
        match fault:
            case Stall(after=None):
                await self._ended.wait()
                raise _ResetError
            case Drop(heard=False):
                raise _ResetError
            case Cut(after=after, upwards=True):
                await self._cut_upload(head, after)
            case _:
                pass
        if head.get("expect"):
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        asked = await _whole(self._reader, head)
        if isinstance(fault, Slow):
            await asyncio.sleep(len(asked.body) / fault.bytes_per_s)
        if isinstance(fault, Clock) and _is_skewed(head, fault.ahead_s):
            self._refuse(_SKEWED, method, time.time() + fault.ahead_s)
        elif isinstance(fault, Answer):
            self._refuse(fault, method)
        else:
            answer = await self._ask(_sent(asked, fault), method)
            if isinstance(fault, Rewrite) and answer.first.split()[1].startswith("2"):
                body = fault.make(_request(head).path, answer.body)
                answer = _Message(answer.first, answer.headers, body)
            await self._tell(answer, fault, method)
        await self._writer.drain()
        return True

    async def _cut_upload(self, head: _Message, after: int) -> None:
        """Pass on the beginning of an upload, then tear down both ends."""
        if head.get("expect"):
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        writer.write(head.head(None) + await self._reader.readexactly(after))
        await writer.drain()
        writer.transport.abort()
        del reader
        raise _ResetError

    async def _ask(self, asked: _Message, method: str) -> _Message:
        """Ask the server, by a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            told = str(len(asked.body)) if asked.body or method in ("PUT", "POST") else None
            head = asked.head(told).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            writer.write(head + asked.body)
            await writer.drain()
            answer = await _head(reader)
            while answer is not None and answer.first.split()[1] == "100":
                answer = await _head(reader)
            if answer is None:
                raise _ResetError
            return answer if method == "HEAD" else await _whole(reader, answer, to_end=True)
        finally:
            writer.close()

    async def _tell(self, answer: _Message, fault: Fault | None, method: str) -> None:
        length = (answer.get("content-length") or "0") if method == "HEAD" else None
        head = answer.head(length or str(len(answer.body)))
        match fault:
            case Drop():
                raise _ResetError
            case Stall(after=after):
                self._writer.write(head + answer.body[:after])
                await self._ended.wait()
                raise _ResetError
            case Cut(after=after):
                self._writer.write(head + answer.body[:after])
                await self._writer.drain()
                raise _ResetError
            case Flip(upwards=False):
                self._writer.write(head + _flipped(answer.body))
            case Slow(bytes_per_s=rate):
                self._writer.write(head)
                await self._drip(answer.body, rate)
            case Clock(ahead_s=ahead_s):
                self._writer.write(_dated(answer, ahead_s).head(length or str(len(answer.body))))
                self._writer.write(answer.body)
            case None | Answer() | Flip() | Rewrite():
                self._writer.write(head + answer.body)
            case _:
                assert_never(fault)

    async def _drip(self, body: bytes, bytes_per_s: int) -> None:
        for start in range(0, len(body), _PIECE):
            piece = body[start : start + _PIECE]
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(len(piece) / bytes_per_s)

    def _refuse(self, fault: Answer, method: str, now: float | None = None) -> None:
        code = fault.code or _CODES.get(fault.status, "Refused")
        said = f"<Error><Code>{code}</Code><Message>on a bad day</Message></Error>"
        body = b"" if method == "HEAD" else said.encode()
        lines = [f"HTTP/1.1 {fault.status} Refused", "Content-Type: application/xml"]
        lines.append(f"Date: {formatdate(now, usegmt=True)}")
        if fault.retry_after is not None:
            lines.append(f"Retry-After: {fault.retry_after}")
        lines += [f"Content-Length: {len(body)}", "", ""]
        self._writer.write("\r\n".join(lines).encode() + body)


def _request(head: _Message) -> Request:
    method, target, _ = head.first.split(" ", 2)
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    kind = method
    if method == "GET" and {"list-type", "prefix", "delimiter", "max-keys"} & set(query):
        kind = "LIST"
    if method == "PUT" and head.get("x-amz-copy-source"):
        kind = "COPY"
    return Request(kind, unquote(parts.path))


async def _head(reader: asyncio.StreamReader) -> _Message | None:
    """Return the next head; None at a proper end."""
    try:
        data = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as e:
        if e.partial:
            raise
        return None
    first, *lines = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return _Message(first, tuple((name, value.strip()) for name, _, value in pairs))


async def _whole(reader: asyncio.StreamReader, head: _Message, *, to_end: bool = False) -> _Message:
    """Return a message with its body."""
    if "chunked" in head.get("transfer-encoding").lower():
        parts = []
        while size := int((await reader.readline()).partition(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        body = b"".join(parts)
    elif head.get("content-length"):
        body = await reader.readexactly(int(head.get("content-length")))
    else:
        body = await reader.read() if to_end else b""
    return _Message(head.first, head.headers, body)


def _sent(asked: _Message, fault: Fault | None) -> _Message:
    """Return what the server gets."""
    if isinstance(fault, Rewrite) and not asked.get("x-amz-date"):
        # who rewrites a body has to read it; where the header is signed nobody compresses
        plain = tuple((n, v) for n, v in asked.headers if n.lower() != "accept-encoding")
        return _Message(asked.first, plain, asked.body)
    if isinstance(fault, Flip) and fault.upwards:
        return _Message(asked.first, asked.headers, _flipped(asked.body))
    if isinstance(fault, Clock):  # the server behind, which asks for no signature, has our time
        now = f"{datetime.now(UTC):{_STAMP}}"
        fresh = ((n, now if n.lower() == "x-amz-date" else v) for n, v in asked.headers)
        return _Message(asked.first, tuple(fresh), asked.body)
    return asked


def _flipped(body: bytes) -> bytes:
    """Return a body of which one bit in the middle is another."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def _is_skewed(asked: _Message, ahead_s: float) -> bool:
    told = datetime.strptime(asked.get("x-amz-date"), _STAMP).replace(tzinfo=UTC)
    return abs(told.timestamp() - time.time() - ahead_s) > _SKEW_S


def _dated(answer: _Message, ahead_s: float) -> _Message:
    """Return an answer whose times are shifted."""

    def shifted(name: str, value: str) -> str:
        if name.lower() not in ("date", "last-modified"):
            return value
        return formatdate(parsedate_to_datetime(value).timestamp() + ahead_s, usegmt=True)

    headers = tuple((name, shifted(name, value)) for name, value in answer.headers)
    return _Message(answer.first, headers, answer.body)
