"""Takes one project out of a state as a database of its own, and puts such a one in its place.

What both sides agreed on, open conflicts and merge texts are replaced: the newer owner knows. The
records of runs and what they kept are put together: none of them is ever wrong. A stamp of a file
of this machine means nothing on another, so only projects without a local folder travel.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bm_sync.errors import StateError
from bm_sync.model.past import PRUNED
from bm_sync.state import baselines, schema
from bm_sync.state.damage import TROUBLE, is_damage
from bm_sync.state.history import UNFINISHED

QUIET_RUNS = 100
"""How many of the newest runs that changed nothing are taken along."""

_OF_PROJECT = ("agreed", "folders", "hashes")
_BY_KEY = ("conflicts", "texts")
_OWNER = {**dict.fromkeys(_OF_PROJECT, "project"), "actions": "run_project"}
_TABLES = ("facts", "effects", "runs", "run_projects", "projects", *_BY_KEY, *_OWNER)
_NO_VERSION = 10_000  # of the schema; a file that says so is damaged
_TOLD = "run_projects.key = :key"
_WORTH = f"""{_TOLD} AND (
    EXISTS (SELECT 1 FROM actions a WHERE a.run_project = run_projects.id)
    OR EXISTS (SELECT 1 FROM effects e WHERE e.key = :key AND e.run = run_projects.run)
    OR run IN (SELECT run FROM run_projects WHERE {_TOLD} ORDER BY run DESC LIMIT {QUIET_RUNS})
)"""  # noqa: S608 - no values


def export(source: sqlite3.Connection, key: str) -> bytes:
    """Return a database that holds what `source` knows of one project, within its transaction."""
    with _file() as path:
        with _opened(path) as new:
            schema.upgrade(new)
            new.execute("BEGIN")
            _Move(source, new, key).export()
            baselines.give_up(new, key)
            new.execute("COMMIT")
        return path.read_bytes()


def take_in(target: sqlite3.Connection, key: str, data: bytes) -> bool:
    """Put an exported project in the place of what `target` knows of it, in its transaction.

    Returns whether the data could be used: damaged data changes nothing. Raises StateError when a
    newer bm-sync wrote it.
    """
    with _file() as path:
        path.write_bytes(data)
        try:
            with _opened(path) as source:
                if not _is_sound(source):
                    return False
                schema.upgrade(source)
                _Move(source, target, key).read_all()
                with _whole(target):
                    _Move(source, target, key).merge()
        except sqlite3.IntegrityError:
            return False
        except TROUBLE as e:
            if not is_damage(e):
                raise
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Move:
    """One project on its way; the columns are those of the target, which is ours."""

    source: sqlite3.Connection
    target: sqlite3.Connection
    key: str

    def export(self) -> None:
        """Copy what is worth it into an empty target."""
        self._project()
        self._copy("facts", "1")
        self._copy("effects", "key = :key ORDER BY run, n", but="id")
        self._runs(_WORTH)

    def read_all(self) -> None:
        """Read every row, so that damage is met before anything is changed."""
        (count,) = self.source.execute(
            "SELECT count(*) FROM projects WHERE key = ?", (self.key,)
        ).fetchone()
        if count != 1:
            raise sqlite3.DatabaseError("malformed: it is not of this project")
        for table in _TABLES:
            for _ in self._rows(table, "1"):
                pass

    def merge(self) -> None:
        """Put the project in the place of what the target knows of it."""
        pruned = self.target.execute(
            "SELECT run, n FROM effects WHERE key = ? AND kept = ?", (self.key, PRUNED)
        ).fetchall()
        known = self.target.execute("SELECT id FROM projects WHERE key = ?", (self.key,)).fetchone()
        if known is not None:
            for table in _OF_PROJECT:
                self.target.execute(f"DELETE FROM {table} WHERE project = ?", known)  # noqa: S608 - ours
            self.target.execute("DELETE FROM projects WHERE id = ?", known)
        for table in _BY_KEY:
            self.target.execute(f"DELETE FROM {table} WHERE key = ?", (self.key,))  # noqa: S608 - ours
        self._project()
        self._copy("facts", "1", how="INSERT OR IGNORE")
        self._copy("effects", "key = :key ORDER BY run, n", but="id", how="INSERT OR REPLACE")
        self.target.executemany(  # what is gone does not come back
            "UPDATE effects SET kept = ? WHERE key = ? AND run = ? AND n = ?",
            ((PRUNED, self.key, run, n) for run, n in pruned),
        )
        self._runs(_TOLD)

    def _project(self) -> None:
        """Copy what the project is and what both sides agreed on."""
        for row in self._rows("projects", "key = :key"):
            new = self._insert("projects", row, but="id")
            for table in _OF_PROJECT:
                self._copy(table, "project = :key", of=row["id"], into=new)
        for table in _BY_KEY:
            self._copy(table, "key = :key")

    def _runs(self, where: str) -> None:
        """Copy the records of the project in runs that the target does not know."""
        known = {
            run
            for (run,) in self.target.execute(
                "SELECT run FROM run_projects WHERE key = ?", (self.key,)
            )
        }
        for row in self._rows("run_projects", f"{where} ORDER BY run_projects.run"):
            if row["run"] in known:
                continue
            for run in self._rows("runs", "id = :key", row["run"]):
                if run["exit"] == UNFINISHED:  # the rest of it is told by other projects
                    run |= {"exit": row["exit"], "ended": row["started"]}
                self._insert("runs", run, how="INSERT OR IGNORE")
            new = self._insert("run_projects", row, but="id")
            self._copy("actions", "run_project = :key", of=row["id"], into=new)

    def _copy(  # noqa: PLR0913 - what, and how
        self,
        table: str,
        where: str,
        *,
        of: object = None,
        into: int | None = None,
        but: str = "",
        how: str = "INSERT",
    ) -> None:
        """Copy rows; `into` takes the place of the number of the row they belong to."""
        names = [name for name in self._columns(table) if name != but]
        rows = self._rows(table, where, of)
        owner = _OWNER.get(table)
        self.target.executemany(
            _put(table, names, how),
            (tuple(into if n == owner else row[n] for n in names) for row in rows),
        )

    def _insert(
        self, table: str, row: dict[str, object], *, but: str = "", how: str = "INSERT"
    ) -> int:
        names = [name for name in row if name != but]
        done = self.target.execute(_put(table, names, how), tuple(row[n] for n in names))
        return int(done.lastrowid or 0)

    def _rows(self, table: str, where: str, of: object = None) -> Iterator[dict[str, object]]:
        names = self._columns(table)
        text = f"SELECT {', '.join(names)} FROM {table} WHERE {where}"  # noqa: S608 - ours
        given = {"key": self.key if of is None else of}
        for row in self.source.execute(text, given).fetchall():
            yield dict(zip(names, row, strict=True))

    def _columns(self, table: str) -> list[str]:
        """Return the columns of our own tables; a source may say anything."""
        return [row[1] for row in self.target.execute(f"PRAGMA table_info({table})")]


def _put(table: str, names: Iterable[str], how: str) -> str:
    named = list(names)
    marks = ", ".join("?" * len(named))
    return f"{how} INTO {table} ({', '.join(named)}) VALUES ({marks})"


@contextmanager
def _whole(target: sqlite3.Connection) -> Iterator[None]:
    """Undo what a block did to the target when it raises."""
    target.execute("SAVEPOINT taking_in")
    try:
        yield
    except BaseException:
        if target.in_transaction:  # a full disk has undone it all
            target.execute("ROLLBACK TO taking_in")
        raise
    target.execute("RELEASE taking_in")


def _is_sound(source: sqlite3.Connection) -> bool:
    found = schema.version(source)
    if not (schema.is_ours(source) and 0 < found < _NO_VERSION):
        return False
    if found > len(schema.STEPS):
        raise StateError(
            f"it was written by a newer bm-sync (version {found} of the state)",
            hint="install a newer bm-sync",
        )
    verdict: str = source.execute("PRAGMA quick_check(1)").fetchone()[0]
    return verdict == "ok"


@contextmanager
def _file() -> Iterator[Path]:
    """Give a name in a private folder that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        yield Path(scratch) / "state.db"


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")  # half of this file is never used
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA trusted_schema = OFF")  # what is fetched may be anybody's
        yield connection
