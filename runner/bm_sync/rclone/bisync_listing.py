"""The listings of `rclone bisync`: what a side held after the last run, one line for each file.

The form is that of `cmd/bisync/listing.go` in rclone 1.75: flags, size, hash, id, time, name in
Go's quotes. A listing has no checksum and no end mark, so a reader must look at every row it
believes. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec import Struct

from bm_sync.rclone.names import from_standard, to_standard
from bm_sync.rclone.wire import mtime_ns

_HEAD = "# bisync listing v1 from 2000-01-01T00:00:00.000000000+0000\n"
_MARK = b"# bisync listing v1"
_NO_TIME = "0001-01-01T00:00:00.000000000+0000"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LINE = re.compile(
    r"([-d]) +(-?\d+) (\S+) - (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9})([+-]\d\d)(\d\d) \"(.+)\""
)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_PLAIN = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_LAST_CODE = 0x10FFFF


class Listed(NamedTuple):
    """One row: `mtime_ns` and `content` (`md5:...`) are None where the listing does not tell."""

    path: str
    size: int
    mtime_ns: int | None = None
    content: str | None = None
    is_dir: bool = False


class Listing(Struct, frozen=True):
    """What a listing told; `odd` counts the lines that say nothing of a file of this machine."""

    rows: dict[str, Listed]
    odd: int


def written(rows: Iterable[Listed]) -> bytes:
    """Return a listing that bisync reads as these rows."""
    return (_HEAD + "".join(map(_line, sorted(rows)))).encode("utf-8", "surrogateescape")


def read(data: bytes) -> Listing | None:
    """Return what a listing tells, None when it is none.

    Lines that are torn or damaged are counted and left out, as bisync leaves them out.
    """
    if not data.startswith(_MARK):
        return None
    rows: dict[str, Listed] = {}
    odd = 0
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        if not line or line.startswith("#"):
            continue
        row = _row(line)
        if row is None or row.path in rows:
            odd += 1
        else:
            rows[row.path] = row
    return Listing(rows, odd)


def _line(row: Listed) -> str:
    name = to_standard(row.path).replace("\\", "\\\\").replace('"', '\\"')
    flags = "d" if row.is_dir else "-"
    return f'{flags} {row.size:8d} {row.content or "-"} - {_time(row.mtime_ns)} "{name}"\n'


def _time(moment_ns: int | None) -> str:
    """Return a time as listings write it; what they cannot write is no time."""
    if moment_ns is None:
        return _NO_TIME
    seconds, fraction = divmod(moment_ns, 10**9)
    try:
        whole = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return _NO_TIME
    return f"{whole.year:04}{whole:-%m-%dT%H:%M:%S}.{fraction:09}+0000"


def _row(line: str) -> Listed | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    flags, size, content, time, hours, minutes, quoted = match.groups()
    name = _unquoted(quoted)
    path = None if name is None else from_standard(name)
    try:
        moment = mtime_ns(f"{time}{hours}:{minutes}")
    except ValueError:
        return None
    if path is None:
        return None
    return Listed(path, int(size), moment, None if content == "-" else content, flags == "d")


def _unquoted(text: str) -> str | None:
    """Return what stands in Go's quotes, None when it is nothing Go would write."""
    try:
        whole = _ESCAPE.sub(_unescaped, text.encode("utf-8", "surrogateescape"))
    except ValueError:
        return None
    return whole.decode("utf-8", "surrogateescape")


def _unescaped(match: re.Match[bytes]) -> bytes:
    byte, short, long, plain = match.groups()
    if byte is not None:
        return bytes([int(byte, 16)])
    if plain is not None:
        return _PLAIN.get(plain, plain)
    code = int(short or long, 16)
    if code > _LAST_CODE:
        raise ValueError("no character")
    return chr(code).encode("utf-8", "surrogatepass")
