"""Takes one project out of a state as a database of its own, and puts such a one in its place.

What both sides agreed on, open conflicts and merge texts are replaced: the newer owner knows. The
records of runs and what they kept are put together: none of them is ever wrong. A stamp of a file
of this machine means nothing on another, so only projects without a local folder travel.

Such a database may be anybody's. It has to be word for word of our schema, whole, and of a bounded
size; what is done with it is bounded, too. Only rows of the project are taken, each judged by its
columns: what its column cannot have stays behind and is counted.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from bm_sync import layout
from bm_sync.model.past import PRUNED
from bm_sync.state import baselines, rows, schema
from bm_sync.state.columns import Raw
from bm_sync.state.damage import TROUBLE, is_damage
from bm_sync.state.history import UNFINISHED
from bm_sync.state.table import TABLES, Connection, checked

MAX_BYTES = 512 << 20
"""A database that is larger is none of ours; that of a million files is a fifth of it."""
QUIET_RUNS = 100
"""How many of the newest runs that changed nothing are taken along."""

_OF_PROJECT = ("agreed", "folders", "hashes")
_BY_KEY = ("conflicts", "texts")
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 << 20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 10,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
}
# Steps of SQLite's machine; a row takes about a hundred of them and as many bytes.
_LEAST_STEPS = 20_000_000
_STEPS_A_BYTE = 8
_TOLD = "project_runs.key = :key"
_WORTH = f"""{_TOLD} AND (
    EXISTS (SELECT 1 FROM actions a WHERE a.run_project = project_runs.id)
    OR EXISTS (SELECT 1 FROM effects e WHERE e.key = :key AND e.run = project_runs.run)
    OR run IN (SELECT run FROM project_runs WHERE {_TOLD} ORDER BY run DESC LIMIT {QUIET_RUNS})
)"""  # noqa: S608 - no values


class Wanted(Struct, frozen=True):
    """What belongs to a project beside its rows.

    `facts` are how the identities of its remotes begin, under which facts about them are
    remembered. `others` are the names of other projects, whose kept versions are not its own.
    """

    key: str
    facts: Collection[str] = ()
    others: Collection[str] = ()


def export(source: Connection, wanted: Wanted) -> bytes:
    """Return a database that holds what `source` knows of one project, within its transaction."""
    with _file() as path:
        with _opened(path) as new:
            schema.upgrade(new)
            new.execute("BEGIN")
            _Move(source, new, wanted).export()
            baselines.give_up(new, wanted.key)
            new.execute("COMMIT")
        return path.read_bytes()


def take_in(target: Connection, wanted: Wanted, data: bytes) -> int | None:
    """Put an exported project in the place of what `target` knows of it, in its transaction.

    Returns how many of its records stayed behind, None when it could not be used at all: it changes
    nothing then. Raises StateError when a newer bm-sync wrote it.
    """
    if len(data) > MAX_BYTES:
        return None
    with _file() as path:
        path.write_bytes(data)
        try:
            with _opened(path) as source:
                _bound(source, len(data))
                if not schema.is_sound(source, "it", exact=True):
                    return None
                schema.upgrade(source)
                source.execute("PRAGMA query_only = ON")
                move = _Move(source, target, wanted)
                with _whole(target):
                    move.merge()
                return len(source.lost)
        except sqlite3.IntegrityError:
            return None
        except TROUBLE as e:
            if not (is_damage(e) or _is_too_much(e)):
                raise
            return None


def _bound(source: Connection, size: int) -> None:
    """Bound what a database that may be anybody's can make us do."""
    for limit, most in _LIMITS.items():
        source.setlimit(limit, most)
    with suppress(AttributeError):  # Python 3.12 and later
        source.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)  # type: ignore[attr-defined]
    source.set_progress_handler(lambda: 1, _LEAST_STEPS + _STEPS_A_BYTE * size)


def _is_too_much(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT


class _Move(Struct, frozen=True):
    """One project on its way."""

    source: Connection
    target: Connection
    wanted: Wanted

    @property
    def _key(self) -> dict[str, str]:
        return {"key": self.wanted.key}

    def export(self) -> None:
        """Copy what is worth it into an empty target."""
        self._project()
        self._facts()
        self._effects()
        self._runs(_WORTH)

    def merge(self) -> None:
        """Put the project in the place of what the target knows of it."""
        pruned = self.target.execute(
            "SELECT run, n FROM effects WHERE key = :key AND kept = ''", self._key
        ).fetchall()
        of_key = "(SELECT id FROM projects WHERE key = :key)"
        for table in _OF_PROJECT:
            self.target.execute(f"DELETE FROM {table} WHERE project IN {of_key}", self._key)  # noqa: S608 - ours
        for table in ("projects", *_BY_KEY):
            self.target.execute(f"DELETE FROM {table} WHERE key = :key", self._key)  # noqa: S608 - ours
        if self._project() != 1:
            raise sqlite3.DatabaseError("malformed: it is not of this project")
        self._facts()
        self._effects()
        self.target.executemany(  # what is gone does not come back
            "UPDATE effects SET kept = ? WHERE key = ? AND run = ? AND n = ?",
            ((PRUNED, self.wanted.key, run, n) for run, n in pruned),
        )
        self._runs(_TOLD)

    def _project(self) -> int:
        """Copy what the project is and what both sides agreed on; return how many rows it has."""
        found = list(checked(self.source, "projects", "WHERE key = :key", self._key, mends=True))
        for row in found:
            number = self._put("projects", [row], but="id")
            for table in _OF_PROJECT:
                told = checked(self.source, table, "WHERE project = ?", (row["id"],))
                self._put(table, (each | {"project": number} for each in told))
        for table in _BY_KEY:
            self._put(table, checked(self.source, table, "WHERE key = :key", self._key))
        return len(found)

    def _facts(self) -> None:
        """Copy what was learnt about the remotes of the project, where it is not known yet."""
        for identity in {self.wanted.key, *self.wanted.facts}:
            where = "WHERE substr(identity, 1, length(?)) = ?"
            told = checked(self.source, "facts", where, (identity, identity))
            self._put("facts", told, how="INSERT OR IGNORE")

    def _effects(self) -> None:
        """Copy what runs did to its files."""
        told = checked(self.source, "effects", "WHERE key = :key ORDER BY run, n", self._key)
        self._put("effects", filter(self._is_own, told), but="id", how="INSERT OR REPLACE")

    def _is_own(self, row: Mapping[str, Raw]) -> bool:
        """Return whether an effect names no other project's kept versions."""
        kept, run, name = (_text(row[each]) for each in ("kept", "run", "project"))
        is_own = not layout.is_home(kept) or kept.startswith(f"{layout.trash(run, name)}/")
        if is_own and name not in self.wanted.others:
            return True
        self.source.lose("effects", tuple(row.values()))
        return False

    def _runs(self, where: str) -> None:
        """Copy the records of the project in runs that the target does not know."""
        known = {
            run
            for (run,) in self.target.execute(
                "SELECT run FROM project_runs WHERE key = :key", self._key
            )
        }
        rest = f"WHERE {where} ORDER BY run"
        told = checked(self.source, "project_runs", rest, self._key)
        for row in told:
            if row["run"] in known:
                continue
            run = next(checked(self.source, "runs", "WHERE id = ?", (row["run"],)), None)
            if run is None:
                self.source.lose("run_projects", tuple(row.values()))
            else:
                self._record(row, run)

    def _record(self, row: Mapping[str, Raw], run: dict[str, Raw]) -> None:
        """Copy the record of the project in one run."""
        if run["exit"] == UNFINISHED:  # the rest of it is told by other projects
            run |= {"exit": row["exit"], "ended": row["started"]}
        self._put("runs", [run], how="INSERT OR IGNORE")
        number = self._put("run_projects", [row], but="id")
        done = checked(self.source, "actions", "WHERE run_project = ?", (row["id"],))
        self._put("actions", (each | {"run_project": number} for each in done))

    def _put(
        self, table: str, found: Iterable[Mapping[str, Raw]], *, but: str = "", how: str = "INSERT"
    ) -> int:
        """Write rows, without the column `but`; return the number of the last one."""
        names = [name for name in TABLES[table] if name != but]
        text = f"{how} INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self.target.executemany(text, ([row[name] for name in names] for row in found))
        (number,) = self.target.execute("SELECT last_insert_rowid()").fetchone()
        return int(number)


def _text(raw: Raw) -> str:
    return rows.text_out(raw) if isinstance(raw, str | bytes) else ""


@contextmanager
def _whole(target: Connection) -> Iterator[None]:
    """Undo what a block did to the target when it raises."""
    target.execute("SAVEPOINT taking_in")
    try:
        yield
    except BaseException:
        if target.in_transaction:  # a full disk has undone it all
            target.execute("ROLLBACK TO taking_in")
        raise
    target.execute("RELEASE taking_in")


@contextmanager
def _file() -> Iterator[Path]:
    """Give a name in a private folder that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        yield Path(scratch) / "state.db"


@contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, factory=Connection)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")  # half of this file is never used
        connection.execute("PRAGMA synchronous = OFF")
        yield connection
