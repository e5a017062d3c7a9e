"""Opens the state database, for writing or strictly for reading, and keeps its promises.

The journal mode is DELETE, not WAL: between transactions the state is one file, and a reader
changes not a byte of the directory (a WAL reader needs a -shm file beside it, and makes one). The
price is about a millisecond per transaction, of which a quiet run has two.

A damaged file is moved aside. Its last good copy takes its place; where there is none, a new one is
made, and what both sides last agreed on is observed again by the next run.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from bm_sync.errors import StateError
from bm_sync.state import place, schema, spare
from bm_sync.state.damage import TROUBLE, code, explain, is_damage
from bm_sync.state.table import Connection

NAME = "state.db"
_SUSPECT = "state.db.suspect"
_WAIT_S = 30.0
_NEXT = {
    True: "its last good copy is used",
    False: "this run observes both sides anew, nothing is deleted",
}
# A journal of a killed writer: only a writer may roll it back.
_UNREADABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


class Database:
    """A connection that may be used from any thread, one user at a time."""

    def __init__(
        self,
        connection: Connection,
        directory: Path,
        *,
        writable: bool,
        repaired: str | None,
        apart: bool = False,
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._turn = threading.RLock()
        self.writable = writable
        self._apart = apart
        self.repaired = repaired

    @contextmanager
    def reading(self) -> Iterator[Connection]:
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
    def writing(self) -> Iterator[Connection]:
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

    def shrink(self, pages: int | None = None) -> None:
        """Give up to so many free pages back to the disk; None: all, also of an older file."""
        with self._turn, _explained(self._directory), self._marking():
            (able,) = self._connection.execute("PRAGMA auto_vacuum").fetchone()
            if able:  # `execute` would take one step of it, a page
                self._connection.executescript(f"PRAGMA incremental_vacuum({pages or 0})")
            elif pages is None:
                self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                self._connection.execute("VACUUM")

    @property
    def size(self) -> int:
        """Return how many bytes the file has."""
        with self.reading() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (of_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(of_bytes)

    def keep_spare(self) -> None:
        """Keep a copy to fall back to; that it cannot be kept is no failure."""
        alone = _set_up_alone(self._directory)
        with suppress(StateError, sqlite3.Error, OSError), self._turn, alone:
            spare.keep(self._connection, self._directory)

    def left_out(self) -> Iterator[str]:
        """Yield a sentence about the records that could not be understood so far, if there are."""
        found = Counter(table for table, _ in self._connection.lost)
        if found:
            number = found.total()
            records = "1 record" if number == 1 else f"{number} records"
            where = ", ".join(f"{count} in {table}" for table, count in sorted(found.items()))
            yield (
                f"{records} of {self._directory / NAME} could not be understood and "
                f"{'is' if number == 1 else 'are'} left out ({where}): bm-sync doctor"
            )

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
        except TROUBLE as e:
            if is_damage(e) and self.writable and not self._apart:
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
        stands = place.stands(directory, NAME)
        connection = _sound(directory, "rw") if stands else None
        if connection is None:
            copy = None
            if stands:
                copy = _spare(directory)
                repaired = f"{_set_aside(directory, stamp)}; {_NEXT[copy is not None]}"
            _create(directory, copy)
            connection = _connect(path, "rw")
        place.check_file(path)
        connection.execute("PRAGMA synchronous = FULL")
        schema.upgrade(connection)
    return Database(connection, directory, writable=True, repaired=repaired)


def open_for_reading(directory: Path, *, apart: bool = False) -> Database:
    """Open the database without a change to `directory`; `apart`: a copy that may be changed."""
    path = directory / NAME
    repaired = None
    connection = None
    if place.stands(directory, NAME):
        place.inspect(directory)
        with _explained(directory):
            connection = _sound(directory, "ro")
            if connection is None:
                connection = _spare(directory)
                then = "observes anew" if connection is None else "uses its last good copy"
                repaired = f"{path} is damaged: the next apply moves it aside and {then}"
    if connection is None:
        connection = _in_memory()
        schema.upgrade(connection)
    elif apart or schema.version(connection) < len(schema.STEPS):
        connection = _upgraded(connection)
    return Database(connection, directory, writable=apart, repaired=repaired, apart=apart)


def _connect(path: Path, mode: str) -> Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_WAIT_S,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )


def _in_memory() -> Connection:
    return sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, factory=Connection
    )


def _upgraded(connection: Connection) -> Connection:
    copy = _in_memory()
    with closing(connection):
        connection.backup(copy)
    schema.upgrade(copy)
    return copy


def _rolled_back(path: Path) -> Connection:
    """Return a copy in memory in which the unfinished transaction of a killed run is undone."""
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        for name in (NAME, f"{NAME}-journal"):
            if place.stands(path.parent, name):
                (Path(scratch) / name).write_bytes((path.parent / name).read_bytes())
        with closing(_connect(Path(scratch) / NAME, "rw")) as connection:
            copy = _in_memory()
            connection.backup(copy)
    return copy


def _sound(directory: Path, mode: str) -> Connection | None:
    """Return a connection to the file; None when it is damaged or no database of ours.

    Raises StateError when it is no file, or of a newer version.
    """
    path = directory / NAME
    if not path.is_file() or path.is_symlink():
        raise StateError(f"{path} is not a file", hint="move it away and run this again")
    return None if place.stands(directory, _SUSPECT) else _checked(path, mode)


def _spare(directory: Path) -> Connection | None:
    """Return a connection to the last good copy, if there is one that can be used."""
    path = directory / spare.NAME
    if not path.is_file() or path.is_symlink():
        return None
    try:
        return _checked(path, "ro")
    except (StateError, *TROUBLE):
        return None


def _checked(path: Path, mode: str) -> Connection | None:
    with ExitStack() as undo:
        try:
            connection = _started(path, mode)
            undo.callback(connection.close)
            if schema.is_sound(connection, str(path), exact=False):
                undo.pop_all()
                return connection
        except TROUBLE as e:
            if not is_damage(e):
                raise
    return None


def _started(path: Path, mode: str) -> Connection:
    """Return a connection that has read; a reader that would have to write gets a copy."""
    connection = _connect(path, mode)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except TROUBLE as e:
        connection.close()
        if mode == "ro" and code(e) in _UNREADABLE:
            return _rolled_back(path)
        raise
    return connection


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
    return f"{directory / NAME} was damaged and is now {kept.name}"


def _create(directory: Path, copy: Connection | None) -> None:
    """Make a complete database under another name first: a kill leaves none or a whole one."""
    new = directory / f"{NAME}.new"
    for leftover in (new, directory / f"{NAME}.new-journal", directory / f"{NAME}-journal"):
        leftover.unlink(missing_ok=True)
    os.close(place.private_file(new))
    with closing(_connect(new, "rw")) as connection:
        if copy is not None:
            with closing(copy):
                copy.backup(connection)
        else:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
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
        raise place.refusal(directory, e) from e
    finally:
        os.close(descriptor)


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise place.refusal(directory, e, NAME) from e
    except TROUBLE as e:
        if code(e) in _UNREADABLE and not os.access(directory / NAME, os.R_OK | os.W_OK):
            raise place.refusal(directory, OSError(errno.EACCES, str(e)), NAME) from e
        raise explain(e, directory / NAME, _WAIT_S) from e
