"""What fuzzing found: damage that SQLite tells in ways of its own is damage, too."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest
from unit.test_state_runs import KEY, RUN, write

from bm_sync.errors import StateError
from bm_sync.model.past import Effect, EffectKind
from bm_sync.model.report import OpenConflict
from bm_sync.model.tree import Agreed, ObjectStamp, Side
from bm_sync.state.store import State
from bm_sync.state.table import TABLES
from bm_sync.state.values import Change
from bm_sync.structs import replace


def kept(tmp_path: Path) -> Path:
    with State.open(tmp_path / "state") as state:
        write(state)
    return tmp_path / "state"


STAMP = ObjectStamp(5, "md5:aa", None)
AGREED = Agreed("md5:aa", STAMP, STAMP)


def fill(state: State) -> None:
    """Write something into every table."""
    write(state)
    memory = {(Side.REMOTE, "c.md"): (STAMP, "md5:cc")}
    change = Change("notes", {"a.md": AGREED}, put_dirs=["sub"], filters="f", memory=memory)
    state.record(KEY, change)
    clash = OpenConflict("notes", "a.md", "a.c.md", Side.LOCAL, RUN.id, RUN.started, "both")
    state.put_conflicts(KEY, (clash,))
    kept = f".bm-sync/trash/{RUN.id}/notes/a.md"
    state.past.put(RUN.id, KEY, "notes", [Effect(EffectKind.PUT, "a.md", Side.REMOTE, kept=kept)])
    state.past.put_texts(KEY, {"a.md": ("md5:aa", b"text")}, ())
    state.set_remote_fact("a", "b", value=True)


def uses(place: Path) -> None:
    """Assert that after one refusal at most the state works again, and says what was damaged."""
    told = None
    for _ in range(2):
        try:
            with State.open(place) as state:
                state.runs()
                state.project(KEY)
                write(state)
                told = state.repaired
                break
        except StateError as e:
            told = e.what
    assert told is not None
    assert "damaged" in told
    with State.peek(place) as state:
        assert [run.id for run in state.runs()] == [RUN.id]
    assert list(place.glob("state.db.damaged-*"))


# Byte 44 of the header is the format of the schema, 60 the version of ours.
@pytest.mark.parametrize(("at", "piece"), [(46, b"\x00\x05"), (60, b"\x01")])
def test_a_header_that_says_something_impossible_is_damage(
    tmp_path: Path, at: int, piece: bytes
) -> None:
    place = kept(tmp_path)
    data = bytearray((place / "state.db").read_bytes())
    data[at : at + len(piece)] = piece
    (place / "state.db").write_bytes(bytes(data))
    uses(place)


def test_a_schema_that_is_no_text_is_damage(tmp_path: Path) -> None:
    place = kept(tmp_path)
    data = bytearray((place / "state.db").read_bytes())
    at = data.index(b"CREATE TABLE")
    data[at : at + 1] = b"\x80"
    (place / "state.db").write_bytes(bytes(data))
    uses(place)


def test_a_text_in_a_row_that_is_none_leaves_that_record_out(tmp_path: Path) -> None:
    place = kept(tmp_path)
    raw(place, "UPDATE runs SET host = CAST(X'ff80' AS TEXT)")
    later = replace(RUN, id="20261123T071500Z-00")
    with State.open(place) as state:
        write(state, later)
        assert [run.id for run in state.runs()] == [later.id]
        assert "1 record of" in (state.repaired or "")
    assert not list(place.glob("state.db.damaged-*"))


def raw(place: Path, *statements: str) -> None:
    with closing(sqlite3.connect(place / "state.db", isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_schema_without_its_columns_is_damage(tmp_path: Path) -> None:
    place = kept(tmp_path)
    raw(place, "ALTER TABLE runs RENAME COLUMN host TO ghost")
    uses(place)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE facts",
        "DROP INDEX effects_kept",
        "CREATE TRIGGER t BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'no'); END",
    ],
)
def test_a_schema_that_is_not_ours_is_damage(tmp_path: Path, statement: str) -> None:
    place = kept(tmp_path)
    raw(place, statement)
    uses(place)


def test_statistics_and_indexes_of_others_are_no_damage(tmp_path: Path) -> None:
    place = kept(tmp_path)
    raw(place, "ANALYZE", "CREATE INDEX mine ON runs (host)", "CREATE VIEW seen AS SELECT 1")
    with State.open(place) as state:
        assert state.run(RUN.id) == RUN
        assert state.repaired is None


WRONG = ["-5", "9e999", "'zzz'", "x'ff00'", "printf('%.*c', 3000000, 'x')"]


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, kinds in TABLES.items() for column in kinds]
)
def test_no_value_of_another_kind_hides_other_records_or_raises(
    tmp_path: Path, table: str, column: str
) -> None:
    """The same is tried at random, with every command, in tests/fuzz."""
    place = tmp_path / "state"
    with State.open(place) as state:
        fill(state)
    whole = (place / "state.db").read_bytes()
    for value in WRONG:
        (place / "state.db").write_bytes(whole)
        with suppress(sqlite3.IntegrityError):  # a number of a row is a number
            raw(place, f"UPDATE OR IGNORE {table} SET {column} = {value}")  # noqa: S608 - ours
        with State.open(place) as state:
            state.project(KEY)
            state.run(RUN.id)
            state.runs_since("2000-01-01T00:00:00Z")
            state.projects()
            state.conflicts(KEY)
            state.past.of_run(RUN.id, KEY)
            state.past.held(KEY)
            state.past.last_run([KEY])
            state.past.unfinished(KEY)
            state.remote_fact("a", "b")
            state.past.text(KEY, "a.md", "md5:aa")
            later = replace(RUN, id="20261123T071500Z-00")
            state.record(KEY, Change("notes", put={"new.md": AGREED}))
            write(state, later)
            assert state.run(later.id) == later
            state.examine()
