"""Asks a server on a unix socket over HTTP/1.1: what rclone's daemon needs, and no more.

A client library costs 250 ms of CPU to import, more than all else that a quiet run does. Only POST
with a body, answers with a length or in chunks (RFC 9112, 6 and 7.1), connections kept open.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from bm_sync.secret import Secret

_CONNECT_S = 5.0
_LINE_AT_MOST = 1 << 20  # of a line of the head; a status is far shorter
_HOST = "rclone"


class UnansweredError(Exception):
    """Nobody answered, or not as HTTP does; the request may have been carried out."""


class _Connection:
    """One open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def close(self) -> None:
        self.writer.close()


class UnixHttp:
    """A client of one server, bound to the event loop that uses it; `most` calls at once."""

    def __init__(self, socket: Path, user: str, password: Secret, most: int) -> None:
        told = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()
        self._socket = socket
        self._head = f"Host: {_HOST}\r\nAuthorization: Basic {told}\r\n"
        self._gate = asyncio.Semaphore(most)
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self.is_closed = False

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of the answer to JSON; raises UnansweredError."""
        head = f"POST {path} HTTP/1.1\r\n{self._head}Content-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        async with self._gate:
            if self.is_closed:
                raise UnansweredError("stopped")
            connection = self._idle.pop() if self._idle else await self._connected()
            self._busy.add(connection)
            keeps = False
            try:
                status, answer, keeps = await _exchanged(connection, request)
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as e:
                raise UnansweredError(type(e).__name__) from e
            finally:
                self._busy.discard(connection)
                if keeps and not self.is_closed:
                    self._idle.append(connection)
                else:
                    connection.close()
            return status, answer

    async def close(self) -> None:
        """Close every connection; calls that wait get no answer."""
        self.is_closed = True
        for connection in (*self._idle, *self._busy):
            connection.close()
            with suppress(OSError):
                await connection.writer.wait_closed()
        self._idle.clear()

    async def _connected(self) -> _Connection:
        try:
            async with asyncio.timeout(_CONNECT_S):
                opened = await asyncio.open_unix_connection(self._socket, limit=_LINE_AT_MOST)
        except (OSError, TimeoutError) as e:
            raise UnansweredError(type(e).__name__) from e
        return _Connection(*opened)


async def _exchanged(connection: _Connection, request: bytes) -> tuple[int, bytes, bool]:
    """Return the status and body of an answer, and whether another request may follow."""
    connection.writer.write(request)
    await connection.writer.drain()
    while True:
        version, _, rest = (await _line(connection.reader)).partition(" ")
        status, fields = int(rest[:3]), await _fields(connection.reader)
        if status >= HTTPStatus.OK:
            break
    body = await _body(connection.reader, fields)
    closes = "close" in fields.get("connection", "").lower()
    return status, body, version == "HTTP/1.1" and not closes


async def _line(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\n")).decode("latin-1").rstrip("\r\n")


async def _fields(reader: asyncio.StreamReader) -> dict[str, str]:
    """Return the fields of a head, up to the empty line that ends it."""
    found = {}
    while line := await _line(reader):
        name, _, value = line.partition(":")
        found[name.lower()] = value.strip()
    return found


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    """Return the body, which comes in chunks or has a length."""
    if fields.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(fields.get("content-length", "0")))
    parts = []
    while size := int((await _line(reader)).partition(";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await _line(reader):
        pass  # trailing fields
    return b"".join(parts)
