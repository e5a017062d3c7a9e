"""Tells damage from other trouble in what SQLite reports, and what to do about each. Pure."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from bm_sync.errors import StateError

# SQLite may say what it found in words that are no text any more.
TROUBLE = (sqlite3.DatabaseError, UnicodeDecodeError)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG)
# A text in a row (sqlite3 of Python), a format of no SQLite, a schema that is not ours any more.
_OFF = re.compile(
    r"Could not decode to UTF-8|unsupported file format|no such (table|column)|has no column"
    r"|malformed|mismatch"
)


def is_damage(error: Exception) -> bool:
    """Return whether the file itself is damaged, or none of ours."""
    return code(error) in _DAMAGE


def code(error: Exception) -> int:
    """Return SQLite's primary result code; 0 when the error comes from the Python module."""
    if isinstance(error, UnicodeDecodeError) or _OFF.search(str(error)):
        return sqlite3.SQLITE_CORRUPT
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def explain(error: Exception, path: Path, waited_s: float) -> StateError:
    """Return what SQLite reports, with what to do about it."""
    match code(error):
        case sqlite3.SQLITE_FULL:
            return StateError(f"no space left for {path}", hint="free some space and run again")
        case sqlite3.SQLITE_BUSY:
            hint = "wait for the other run, then run this again"
            return StateError(f"another process kept {path} busy for {waited_s:.0f} s", hint=hint)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_TOOBIG:
            hint = "run this again: it is moved aside, and its last good copy is used"
            return StateError(f"{path} is damaged", hint=hint)
        case _:
            hint = "see that the directory can be written: bm-sync doctor"
            return StateError(f"cannot use {path}: {error}", hint=hint)
