"""What fuzzing found: damage that SQLite tells in ways of its own is damage, too."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from unit.test_state_runs import KEY, RUN, write

from bm_sync.errors import StateError
from bm_sync.state.store import State


def kept(tmp_path: Path) -> Path:
    with State.open(tmp_path / "state") as state:
        write(state)
    return tmp_path / "state"


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


def test_a_text_in_a_row_that_is_none_is_damage(tmp_path: Path) -> None:
    place = kept(tmp_path)
    connection = sqlite3.connect(place / "state.db")
    connection.execute("UPDATE runs SET host = CAST(X'ff80' AS TEXT)")
    connection.commit()
    connection.close()
    uses(place)


def test_a_schema_without_its_columns_is_damage(tmp_path: Path) -> None:
    place = kept(tmp_path)
    connection = sqlite3.connect(place / "state.db")
    connection.execute("ALTER TABLE runs RENAME COLUMN host TO ghost")
    connection.commit()
    connection.close()
    uses(place)
