"""Keeps the text of files that both sides agreed on, so that changes of both can be merged.

Within the caller's transaction. Nothing depends on it: a text that is not there, or does not fit,
only means that nothing can be merged.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Mapping

from bm_sync.state import rows
from bm_sync.state.table import Connection, Reader, insert, only

_AT_MOST = 1 << 20  # bytes of a text, four times what is kept

_TEXTS: Reader[bytes] = Reader.of("texts", only, "text")
_DIGESTS = Reader.of("texts", lambda path, content: (path, content), "path content")


def digests(connection: Connection, key: str) -> dict[str, str]:
    """Return the digest of every text that is kept of a project."""
    return dict(_DIGESTS.read(connection, "WHERE key = ?", (key,)))


def read(connection: Connection, key: str, path: str, content: str) -> bytes | None:
    """Return the text of a path whose digest is `content`, None when it is not kept."""
    where = "WHERE key = ? AND path = ? AND content = ?"
    packed = _TEXTS.first(connection, where, (key, rows.text_in(path), content))
    return None if packed is None else _unpacked(packed, content)


def _unpacked(packed: bytes, content: str) -> bytes | None:
    """Return the text, None when it is not the one that was kept."""
    algorithm, _, digest = content.partition(":")
    try:
        text = zlib.decompressobj().decompress(packed, _AT_MOST)
        right = hashlib.new(algorithm, text, usedforsecurity=False).hexdigest() == digest
    except (zlib.error, ValueError):
        return None
    return text if right else None


def write(
    connection: Connection,
    key: str,
    put: Mapping[str, tuple[str, bytes]],
    drop: Collection[str],
) -> None:
    """Keep texts, each with its digest, and drop others."""
    connection.executemany(
        "DELETE FROM texts WHERE key = ? AND path = ?",
        ((key, rows.text_in(path)) for path in drop),
    )
    found = ((key, path, content, zlib.compress(text)) for path, (content, text) in put.items())
    insert(connection, "texts", "key path content text", found, "INSERT OR REPLACE")
