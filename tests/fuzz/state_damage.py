"""Spoils a state database at random, by SQL and by bytes; all of it follows from one number."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from random import Random

VALUES = (
    "NULL",
    "''",
    "0",
    "-1",
    "1",
    "255",
    "4000000000",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "9e999",
    "-9e999",
    "x''",
    "x'ff00fe'",
    "x'6162'",
    "CAST(x'ff80' AS TEXT)",
    "CAST(x'eda080' AS TEXT)",
    "CAST(x'00' AS TEXT)",
    "'zzz'",
    "'[]'",
    "'{}'",
    "'null'",
    "'NaN'",
    "'1' || printf('%.*c', 400, '0')",
    "printf('%.*c', 100000, '[')",
    "printf('%.*c', 2000000, 'x')",
    "zeroblob(3000000)",
    "char(27) || ']0;PWN' || char(7) || char(27) || '[31m' || char(8238, 8232, 65279, 155)",
    "'<script>alert(1)</script>'",
    "'../../../etc/passwd'",
    "'.bm-sync/trash/../../x'",
    "'/etc/passwd'",
    "'a/' || char(0) || 'b'",
    "'9999-12-31T23:59:59Z'",
    "'0001-01-01T00:00:00Z'",
    "'2026-02-30T00:00:00Z'",
    "'99991231T235959Z-ff'",
    "'true'",
    "'local'",
    "'in-sync'",
    "hex(randomblob(16))",
)
FOREVER = "WITH RECURSIVE x(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM x)"
ADDS = (
    f"CREATE VIEW v{{n}} AS {FOREVER} SELECT n FROM x",  # noqa: S608 - ours
    "CREATE TRIGGER t{n} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER t{n} AFTER INSERT ON runs BEGIN DELETE FROM projects; END",
    "CREATE INDEX i{n} ON {table} ({column})",
    "CREATE TABLE more{n} (a)",
    "CREATE VIRTUAL TABLE fts{n} USING fts5(a)",
    "ANALYZE",
    "ALTER TABLE {table} ADD COLUMN c{n}",
    "ALTER TABLE {table} RENAME COLUMN {column} TO c{n}",
    "ALTER TABLE {table} RENAME TO other{n}",
    "PRAGMA user_version = {n}",
    "PRAGMA application_id = {n}",
)
ENDLESS = (
    "DROP TABLE {table}",
    f"CREATE VIEW {{table}} AS {FOREVER} SELECT {{columns}} FROM x",  # noqa: S608 - ours
)
FOREIGN = "0" * 32


def one_row(data: bytes, chance: Random) -> bytes:
    """Return the database with one value of one row replaced."""
    return _edited(data, [lambda db: _value(db, chance, one=True)])


def many(data: bytes, chance: Random) -> bytes:
    """Return the database after some damage of any kind."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        kind = chance.choice((_rows, _rows, _rows, _schema, _bytes))
        data = kind(data, chance)
    return data


def _rows(data: bytes, chance: Random) -> bytes:
    kinds = (_value, _value, _value, _doubled, _foreign, _deleted)
    return _edited(data, [lambda db: chance.choice(kinds)(db, chance)] * chance.randint(1, 4))


def _schema(data: bytes, chance: Random) -> bytes:
    return _edited(data, [lambda db: _schema_of(db, chance)])


def _bytes(data: bytes, chance: Random) -> bytes:
    odd = bytearray(data)
    match chance.randrange(4):
        case 0:
            for _ in range(chance.choice((1, 5, 200))):
                if odd:
                    odd[chance.randrange(len(odd))] = chance.randrange(256)
        case 1:
            del odd[chance.randrange(len(odd) + 1) :]
        case 2:
            at = chance.randrange(max(len(odd) // 4096, 1)) * 4096
            odd[at : at + 4096] = bytes(4096)
        case _:
            odd += chance.randbytes(chance.randrange(10_000))
    return bytes(odd)


def _edited(data: bytes, edits: Sequence[Callable[[sqlite3.Connection], None]]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "state.db")
        file.write_bytes(data)
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            for edit in edits:
                with suppress(sqlite3.Error, UnicodeDecodeError, IndexError):
                    db.execute("PRAGMA synchronous = OFF")
                    edit(db)
        return file.read_bytes()


def _tables(db: sqlite3.Connection) -> list[str]:
    found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in found]


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def _value(db: sqlite3.Connection, chance: Random, *, one: bool = False) -> None:
    table = chance.choice(_tables(db))
    column = chance.choice(_columns(db, table))
    value = chance.choice(VALUES)
    where = ""
    if one or chance.random() < 0.7:
        key = [row[1] for row in db.execute(f"PRAGMA table_info({table})") if row[5]] or ["rowid"]
        (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - ours
        named = ", ".join(key)
        chosen = f"SELECT {named} FROM {table} LIMIT 1 OFFSET {chance.randrange(max(count, 1))}"  # noqa: S608 - ours
        where = f" WHERE ({named}) = ({chosen})"
    db.execute(f"UPDATE OR IGNORE {table} SET {column} = {value}{where}")  # noqa: S608 - ours


def _doubled(db: sqlite3.Connection, chance: Random) -> None:
    table = chance.choice(_tables(db))
    names = [name for name in _columns(db, table) if name != "id"]
    column = chance.choice(names)
    shown = ", ".join(f"{column} || 'x'" if name == column else name for name in names)
    db.execute(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) SELECT {shown} FROM {table}")  # noqa: S608 - ours


def _foreign(db: sqlite3.Connection, chance: Random) -> None:
    table = chance.choice(("projects", "run_projects", "effects", "conflicts", "texts"))
    names = [name for name in _columns(db, table) if name != "id"]
    shown = ", ".join(f"'{FOREIGN}'" if name == "key" else name for name in names)
    db.execute(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) SELECT {shown} FROM {table}")  # noqa: S608 - ours


def _deleted(db: sqlite3.Connection, chance: Random) -> None:
    db.execute(f"DELETE FROM {chance.choice(_tables(db))} WHERE random() % 2")  # noqa: S608 - ours


def _schema_of(db: sqlite3.Connection, chance: Random) -> None:
    table = chance.choice(_tables(db))
    columns = _columns(db, table)
    column, number = chance.choice(columns), chance.randrange(1000)
    match chance.randrange(4):
        case 0:
            db.execute(f"DROP TABLE {table}")
        case 1:
            found = db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql != ''")
            db.execute(f"DROP INDEX {chance.choice(found.fetchall())[0]}")
        case 2:
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        case _:
            adds = chance.choice((*((add,) for add in ADDS), ENDLESS))
            named = ", ".join(f"n AS {name}" for name in columns)
            for add in adds:
                db.execute(add.format(n=number, table=table, column=column, columns=named))
