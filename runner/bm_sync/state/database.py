"""Opens the state database, for writing or strictly for reading, and keeps its promises.

The journal mode is DELETE, not WAL: between transactions the state is one file, and a reader
changes not a byte of the directory (a WAL reader needs a -shm file beside it, and makes one). The
price is about a millisecond per transaction, of which a quiet run has two.

A damaged file is moved aside and a new one is made; what both sides last agreed on is then observed
again by the next run.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from bm_sync.errors import StateError
from bm_sync.state import place, schema

NAME = "state.db"
_SUSPECT = "state.db.suspect"
_WAIT_S = 30.0
_NO_VERSION = 10_000  # of the schema; a file that says so is damaged
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# SQLite may say what it found in words that are no text any more.
_Error = (sqlite3.DatabaseError, UnicodeDecodeError)
# A text in a row (sqlite3 of Python), a format of no SQLite, a schema that is not ours any more.
_OFF = re.compile(
    r"Could not decode to UTF-8|unsupported file format|no such (table|column)|has no column"
    r"|malformed|mismatch"
)
# A journal of a killed writer: only a writer may roll it back.
_UNREADABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


class Database:
    """A connection that may be used from any thread, one user at a time."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        directory: Path,
        *,
        writable: bool,
        repaired: str | None,
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._turn = threading.RLock()
        self.writable = writable
        self.repaired = repaired

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for reading one state of things, whatever other processes write.

        Raises StateError for what SQLite reports.
        """
        with self._turn, _explained(self._directory), self._marking():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._undo()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection within a transaction: all or nothing."""
        if not self.writable:
            raise StateError("the state was opened for reading only")
        with self._turn, _explained(self._directory), self._marking():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                self._undo()
                raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _undo(self) -> None:
        """End a transaction without a change; SQLite has done so itself after some errors."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    @contextmanager
    def _marking(self) -> Iterator[None]:
        """Mark a file that is found damaged in use: it may pass the check of the next start."""
        try:
            yield
        except _Error as e:
            if _code(e) in _DAMAGE and self.writable:
                os.close(place.private_file(self._directory / _SUSPECT))
            raise


def open_for_writing(directory: Path, stamp: str) -> Database:
    """Open the database in `directory`, which is made when missing.

    `stamp` names a damaged file that is moved aside. Raises StateError when the directory cannot be
    used or the file is of a newer version.
    """
    place.prepare(directory)
    path = directory / NAME
    repaired = None
    with _set_up_alone(directory), _explained(directory):
        connection = _sound(directory, "rw") if os.path.lexists(path) else None
        if connection is None:
            if os.path.lexists(path):
                repaired = _set_aside(directory, stamp)
            _create(directory)
            connection = _connect(path, "rw")
        place.check_file(path)
        connection.execute("PRAGMA synchronous = FULL")
        schema.upgrade(connection)
    return Database(connection, directory, writable=True, repaired=repaired)


def open_for_reading(directory: Path) -> Database:
    """Open the database in `directory` without changing a byte there; a missing one is empty."""
    path = directory / NAME
    repaired = None
    connection = None
    if os.path.lexists(path):
        place.inspect(directory)
        with _explained(directory):
            connection = _sound(directory, "ro")
        if connection is None:
            repaired = f"{path} is damaged: the next apply moves it aside and observes anew"
    if connection is None:
        connection = _in_memory()
        schema.upgrade(connection)
    elif schema.version(connection) < len(schema.STEPS):
        connection = _upgraded(connection)
    return Database(connection, directory, writable=False, repaired=repaired)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_WAIT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


def _upgraded(connection: sqlite3.Connection) -> sqlite3.Connection:
    copy = _in_memory()
    with closing(connection):
        connection.backup(copy)
    schema.upgrade(copy)
    return copy


def _rolled_back(path: Path) -> sqlite3.Connection:
    """Return a copy in memory in which the unfinished transaction of a killed run is undone."""
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        for name in (path, path.with_name(f"{NAME}-journal")):
            (Path(scratch) / name.name).write_bytes(name.read_bytes())
        with closing(_connect(Path(scratch) / NAME, "rw")) as connection:
            copy = _in_memory()
            connection.backup(copy)
    return copy


def _sound(directory: Path, mode: str) -> sqlite3.Connection | None:
    """Return a connection to the file; None when it is damaged or no database of ours.

    Raises StateError when it is no file, or of a newer version.
    """
    path = directory / NAME
    if not path.is_file() or path.is_symlink():
        raise StateError(f"{path} is not a file", hint="move it away and run this again")
    if (directory / _SUSPECT).exists():
        return None
    with ExitStack() as undo:
        try:
            connection = _started(path, mode)
            undo.callback(connection.close)
            if _is_sound(connection, path):
                undo.pop_all()
                return connection
        except _Error as e:
            if _code(e) not in _DAMAGE:
                raise
    return None


def _started(path: Path, mode: str) -> sqlite3.Connection:
    """Return a connection that has read; a reader that would have to write gets a copy."""
    connection = _connect(path, mode)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except _Error as e:
        connection.close()
        if mode == "ro" and _code(e) in _UNREADABLE:
            return _rolled_back(path)
        raise
    return connection


def _is_sound(connection: sqlite3.Connection, path: Path) -> bool:
    found = schema.version(connection)
    if not (schema.is_ours(connection) and 0 < found < _NO_VERSION):
        return False
    if found > len(schema.STEPS):
        raise StateError(
            f"{path} was written by a newer bm-sync (version {found} of the state)",
            hint="upgrade bm-sync, or name another directory with --state-dir",
        )
    verdict: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return verdict == "ok"


def _set_aside(directory: Path, stamp: str) -> str:
    """Move a damaged file and its journal aside; return the sentence for the user."""
    kept = directory / f"{NAME}.damaged-{stamp}"
    number = 1
    while os.path.lexists(kept):
        number += 1
        kept = directory / f"{NAME}.damaged-{stamp}-{number}"
    (directory / NAME).rename(kept)
    journal = directory / f"{NAME}-journal"
    if journal.exists():
        journal.rename(f"{kept}-journal")
    (directory / _SUSPECT).unlink(missing_ok=True)
    return (
        f"{directory / NAME} was damaged and is now {kept.name}; "
        "this run observes both sides anew, nothing is deleted"
    )


def _create(directory: Path) -> None:
    """Make a complete database under another name first: a kill leaves none or a whole one."""
    new = directory / f"{NAME}.new"
    for leftover in (new, directory / f"{NAME}.new-journal", directory / f"{NAME}-journal"):
        leftover.unlink(missing_ok=True)
    os.close(place.private_file(new))
    with closing(_connect(new, "rw")) as connection:
        schema.upgrade(connection)
    new.rename(directory / NAME)


@contextmanager
def _set_up_alone(directory: Path) -> Iterator[None]:
    """Keep other processes from checking, moving or making the file at the same time."""
    descriptor = place.private_file(directory / "setup.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    except OSError as e:
        raise StateError(f"cannot use the state directory {directory}: {e}") from e
    finally:
        os.close(descriptor)


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except _Error as e:
        raise _explain(e, directory) from e


def _code(error: Exception) -> int:
    """Return SQLite's primary result code; 0 when the error comes from the Python module."""
    if isinstance(error, UnicodeDecodeError) or _OFF.search(str(error)):
        return sqlite3.SQLITE_CORRUPT
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _explain(error: Exception, directory: Path) -> StateError:
    """Return what SQLite reports, with what to do about it."""
    path = directory / NAME
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return StateError(f"no space left for {path}", hint="free some space and run again")
        case sqlite3.SQLITE_BUSY:
            hint = "wait for the other run, then run this again"
            return StateError(f"another process kept {path} busy for {_WAIT_S:.0f} s", hint=hint)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            hint = "run this again: it is moved aside, both sides are observed anew"
            return StateError(f"{path} is damaged", hint=hint)
        case _:
            hint = "see that the directory can be written: bm-sync doctor"
            return StateError(f"cannot use {path}: {error}", hint=hint)
