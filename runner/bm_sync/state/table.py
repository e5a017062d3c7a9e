"""The one way in which rows come out of the state and go into it.

A row with a value that its column cannot have is left out and counted, never raised, so that one
bad record hides no other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from msgspec import Struct

from bm_sync.model.past import EffectKind
from bm_sync.model.run import Outcome, Status
from bm_sync.model.tree import Side
from bm_sync.state.columns import (
    BAD,
    BLOB,
    BODY,
    CODE,
    COUNT,
    DIGEST,
    FACT,
    FLAG,
    HEX,
    INT64,
    KEY,
    LINE,
    NAME,
    NUMBER,
    PATH,
    RUN,
    SECONDS,
    TAG,
    TEXT,
    TIME,
    Kind,
    Raw,
    maybe,
    word,
)

T = TypeVar("T")

_SIDE = word(Side)
_STAMP = {"size": NUMBER, "mtime": maybe(NUMBER), "ctime": maybe(NUMBER), "inode": maybe(TAG)}
TABLES: Mapping[str, Mapping[str, Kind]] = MappingProxyType(
    {
        "projects": {
            "id": COUNT,
            "key": KEY,
            "name": maybe(NAME, ""),
            "local": TEXT,
            "remote": TEXT,
            "known": FLAG,
            "device": maybe(NUMBER),
            "filters": maybe(TEXT),
            "via_link": maybe(FLAG),
            "machine": maybe(LINE),
            "host": maybe(TEXT),
            "total": INT64,
            "seal": INT64,
            "last_run": maybe(RUN),
            "last_time": maybe(TIME),
            "status": maybe(word(Status)),
            "converged": maybe(TIME),
            "files": COUNT,
            "bytes": COUNT,
            "message": maybe(TEXT),
        },
        "agreed": {
            "project": COUNT,
            "path": PATH,
            "content": maybe(DIGEST),
            **{f"l_{part}": kind for part, kind in _STAMP.items()},
            "l_content": maybe(DIGEST),
            **{f"r_{part}": kind for part, kind in _STAMP.items()},
            "r_content": maybe(DIGEST),
            "crc": INT64,
        },
        "folders": {"project": COUNT, "path": PATH},
        "hashes": {
            "project": COUNT,
            "side": _SIDE,
            "path": PATH,
            **_STAMP,
            "stamp_content": maybe(DIGEST),
            "content": DIGEST,
        },
        "runs": {
            "id": RUN,
            "command": TEXT,
            "started": TIME,
            "ended": maybe(TIME, ""),
            "host": TEXT,
            "manifest": TEXT,
            "plan_digest": HEX,
            "exit": CODE,
            "log": maybe(TEXT),
        },
        "run_projects": {
            "id": COUNT,
            "run": RUN,
            "key": KEY,
            "project": NAME,
            "status": word(Status),
            "started": TIME,
            "seconds": SECONDS,
            "retries": COUNT,
            "message": maybe(TEXT),
            "hint": maybe(TEXT),
            "exit": CODE,
            "files": COUNT,
            "bytes": COUNT,
            "body": BODY,
        },
        "actions": {
            "run_project": COUNT,
            "n": COUNT,
            "kind": LINE,
            "path": PATH,
            "side": maybe(_SIDE),
            "size": COUNT,
            "reason": LINE,
            "outcome": word(Outcome),
            "detail": maybe(TEXT),
            "kept": maybe(TEXT),
        },
        "conflicts": {
            "key": KEY,
            "path": PATH,
            "project": NAME,
            "kept": maybe(PATH),
            "winner": maybe(_SIDE),
            "run": RUN,
            "since": TIME,
            "what": TEXT,
            "base": maybe(DIGEST),
        },
        "facts": {"identity": LINE, "name": LINE, "value": FACT},
        "effects": {
            "id": COUNT,
            "key": KEY,
            "run": RUN,
            "n": COUNT,
            "project": NAME,
            "kind": word(EffectKind),
            "path": PATH,
            "side": _SIDE,
            "content": maybe(DIGEST),
            "old_path": maybe(PATH),
            "kept": maybe(maybe(PATH, "")),
            "kept_size": NUMBER,
            "kept_content": maybe(DIGEST),
        },
        "texts": {"key": KEY, "path": PATH, "content": DIGEST, "text": BLOB},
        "project_names": {"id": COUNT, "key": KEY, "project": NAME},
        "run_numbers": {"n": COUNT, "run": RUN},
        "quiet": {
            "run": COUNT,
            "project": COUNT,
            "at": COUNT,
            "ms": COUNT,
            "files": COUNT,
            "bytes": COUNT,
        },
    }
)
"""What every column of every table may hold."""

_VIEWS = MappingProxyType({"project_runs": "run_projects"})


def of_view(name: str) -> str:
    """Return the table whose columns a view has; a table has its own."""
    return _VIEWS.get(name, name)


class Connection(sqlite3.Connection):
    """A connection that survives text of any bytes; `lost` are the rows that were left out."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as sqlite3 has them
        super().__init__(*args, **options)
        # a file may be anybody's: nothing of its own acts, and its pages are looked at as they are
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
            self.execute(f"PRAGMA {pragma}")
        self.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
        self.lost: set[tuple[str, int]] = set()

    def lose(self, table: str, row: object) -> None:
        """Count a row that is left out; the same row counts once."""
        self.lost.add((of_view(table), hash(row)))


class Reader(Struct, Generic[T], frozen=True):
    """Reads rows of one table as values: `make` is called with the columns by their names.

    With `mends` a value that is lost is replaced by its kind's spare one, and its row stays.
    """

    table: str
    make: Callable[..., T]
    columns: Mapping[str, Kind]
    mends: bool = False

    @classmethod
    def of(
        cls, table: str, make: Callable[..., T], names: str, *, mends: bool = False, **other: Kind
    ) -> Reader[T]:
        """Return a reader of these columns, `other` of them as another kind than theirs."""
        known = TABLES[of_view(table)]
        kinds = {name: other.get(name, known[name]) for name in names.split()}
        return cls(table, make, kinds, mends)

    def read(
        self,
        connection: Connection,
        rest: str,
        values: Sequence[object] | Mapping[str, object] = (),
    ) -> Iterator[T]:
        """Yield the rows that `rest` (`WHERE key = ?`) chooses, but for those that are no such."""
        named = ", ".join(f"{self.table}.{name}" for name in self.columns)
        text = f"SELECT {named} FROM {self.table} {rest}"  # noqa: S608 - ours
        for row in connection.execute(text, values):
            try:
                found = self.make(**self._values(connection, row))
            except BAD:
                connection.lose(self.table, row)
                continue
            yield found

    def first(self, connection: Connection, rest: str, values: Sequence[object] = ()) -> T | None:
        """Return the first row that is right, None when there is none."""
        return next(self.read(connection, rest, values), None)

    def _values(self, connection: Connection, row: tuple[Raw, ...]) -> dict[str, Any]:
        if not self.mends:
            named = zip(self.columns.items(), row, strict=True)
            return {name: kind.out(raw) for (name, kind), raw in named}
        found = {}
        for (name, kind), raw in zip(self.columns.items(), row, strict=True):
            try:
                found[name] = kind.out(raw)
            except BAD:
                connection.lose(self.table, row)
                found[name] = kind.spare
        return found


def only(**told: Any) -> Any:  # noqa: ANN401 - a column
    """Return the value of a row that has one."""
    (value,) = told.values()
    return value


def checked(
    connection: Connection,
    table: str,
    rest: str,
    values: Sequence[object] | Mapping[str, object] = (),
    *,
    mends: bool = False,
) -> Iterator[dict[str, Raw]]:
    """Yield whole rows as they are stored, but for those that are no such; `mends` as `Reader`."""
    kinds = TABLES[of_view(table)]
    text = f"SELECT {', '.join(kinds)} FROM {table} {rest}"  # noqa: S608 - ours
    for row in connection.execute(text, values):
        found: dict[str, Raw] = dict(zip(kinds, row, strict=True))
        bad = [name for name, raw in found.items() if not _fits(kinds[name], raw)]
        if bad:
            connection.lose(table, row)
        if mends or not bad:
            yield found | {name: kinds[name].into(kinds[name].spare) for name in bad}


def _fits(kind: Kind, raw: Raw) -> bool:
    try:
        kind.out(raw)
    except BAD:
        return False
    return True


def insert(
    connection: Connection,
    table: str,
    names: str,
    found: Iterable[Sequence[object]],
    how: str = "INSERT",
) -> None:
    """Write rows whose values stand in the order of `names`."""
    columns = names.split()
    kinds = [TABLES[table][name].into for name in columns]
    marks = ", ".join("?" * len(columns))
    connection.executemany(
        f"{how} INTO {table} ({', '.join(columns)}) VALUES ({marks})",
        ([into(value) for into, value in zip(kinds, row, strict=True)] for row in found),
    )


def update(
    connection: Connection,
    table: str,
    values: Mapping[str, object],
    where: str,
    which: Sequence[object],
) -> None:
    """Change columns of the rows that `where` chooses."""
    kinds = TABLES[table]
    names = ", ".join(f"{name} = ?" for name in values)
    new = [kinds[name].into(value) for name, value in values.items()]
    connection.execute(f"UPDATE {table} SET {names} WHERE {where}", (*new, *which))  # noqa: S608 - ours
