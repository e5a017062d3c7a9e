"""Turns remembered values into columns and back, and says what a row weighs in the checksum.

Pure. Paths and free text that are not valid UTF-8 (surrogates from os.fsdecode) are kept as bytes;
whole numbers beyond 64 bits (inode numbers of some network file systems, times after 2262) as text.
"""

from __future__ import annotations

import os
import zlib

from bm_sync.model.tree import Agreed, FileStamp, ObjectStamp, Stamp

Number = int | str
Column = int | str | bytes | None
StampRow = tuple[Column, Column, Column, Column, Column]
AgreedRow = tuple[Column, ...]  # the twelve columns of `agreed` from path to r_content

SUM_MASK = (1 << 63) - 1
_INT64 = 1 << 63
# In place of a remote content that equals the agreed one: half the size on disk, one string in
# memory.
_SAME = "="
_WEIGHED = "\0".join(["%s"] * 12)


def text_in(text: str | None) -> str | bytes | None:
    """Return `text` as SQLite can keep it."""
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def text_out(kept: str | bytes) -> str:
    """Return the text that `text_in` was given."""
    return kept if isinstance(kept, str) else os.fsdecode(kept)


def maybe_text(kept: str | bytes | None) -> str | None:
    """Return the text that `text_in` was given, or None."""
    return None if kept is None else text_out(kept)


def number_in(number: int | None) -> int | str | None:
    """Return `number` as SQLite can keep it without rounding."""
    if number is None or -_INT64 <= number < _INT64:
        return number
    return str(number)


def stamp_in(stamp: Stamp) -> StampRow:
    """Return the five columns of a stamp: size, mtime, ctime, inode, content.

    Only an object's stamp has no ctime; its tag stands in the column of the inode.
    """
    if isinstance(stamp, FileStamp):
        times = (number_in(stamp.mtime_ns), number_in(stamp.ctime_ns))
        return (number_in(stamp.size), *times, number_in(stamp.inode), None)
    return (number_in(stamp.size), number_in(stamp.mtime_ns), None, stamp.tag, stamp.content)


def stamp_out(
    size: Number,
    mtime: Number | None,
    ctime: Number | None,
    inode: Number | None,
    content: str | None,
) -> Stamp:
    """Return the stamp of five columns as SQLite gives them; raises TypeError for others."""
    if ctime is None:
        tag = None if inode is None else str(inode)
        return ObjectStamp(int(size), content, None if mtime is None else int(mtime), tag)
    return FileStamp(int(size), int(mtime), int(ctime), int(inode))  # type: ignore[arg-type] # None raises


def agreed_in(path: str, agreed: Agreed) -> AgreedRow:
    """Return the columns of a file that both sides agreed on, without its weight."""
    here, there = stamp_in(agreed.local), stamp_in(agreed.remote)
    if there[4] is not None and there[4] == agreed.content:
        there = (*there[:4], _SAME)
    return (text_in(path), agreed.content, *here, *there)


def weigh(row: AgreedRow) -> int:
    """Return what the columns of `agreed_in` add to the checksum of a project."""
    return zlib.crc32((_WEIGHED % row).encode("utf-8", "surrogatepass"))


def weigh_text(kind: str, *parts: object) -> int:
    """Return what anything else adds: a kind of row and its columns."""
    return zlib.crc32("\0".join([kind, *map(str, parts)]).encode("utf-8", "surrogatepass"))


def remote_content(kept: str | None, content: str | None) -> str | None:
    """Return the content in a remote stamp, from its column and the agreed content."""
    return content if kept == _SAME else kept
