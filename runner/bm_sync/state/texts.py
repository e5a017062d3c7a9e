"""Keeps the text of files that both sides agreed on, so that changes of both can be merged.

Within the caller's transaction. Nothing depends on it: a text that is not there, or does not fit,
only means that nothing can be merged.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Collection, Mapping

from bm_sync.state import rows


def digests(connection: sqlite3.Connection, key: str) -> dict[str, str]:
    """Return the digest of every text that is kept of a project."""
    found = connection.execute("SELECT path, content FROM texts WHERE key = ?", (key,))
    return {rows.text_out(path): content for path, content in found}


def read(connection: sqlite3.Connection, key: str, path: str, content: str) -> bytes | None:
    """Return the text of a path whose digest is `content`, None when it is not kept."""
    found = connection.execute(
        "SELECT text FROM texts WHERE key = ? AND path = ? AND content = ?",
        (key, rows.text_in(path), content),
    ).fetchone()
    if found is None:
        return None
    try:
        return zlib.decompress(found[0])
    except (zlib.error, TypeError):
        return None


def write(
    connection: sqlite3.Connection,
    key: str,
    put: Mapping[str, tuple[str, bytes]],
    drop: Collection[str],
) -> None:
    """Keep texts, each with its digest, and drop others."""
    connection.executemany(
        "DELETE FROM texts WHERE key = ? AND path = ?",
        ((key, rows.text_in(path)) for path in drop),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO texts (key, path, content, text) VALUES (?, ?, ?, ?)",
        (
            (key, rows.text_in(path), content, zlib.compress(text))
            for path, (content, text) in put.items()
        ),
    )
