"""The memory of a project that is declared otherwise: read as its own, then moved as a whole."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bm_sync.model.tree import Agreed, FileStamp, ObjectStamp, Side
from bm_sync.state.store import State
from bm_sync.state.values import Change, Former

ROW = Agreed("md5:1", FileStamp(1, 2, 3, 4), ObjectStamp(1, "md5:1", None))
OLD, NEW = "0" * 32, "1" * 32
TEXT = b"text"
DIGEST = f"sha256:{hashlib.sha256(TEXT).hexdigest()}"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path, machine=lambda: "m") as opened:
        opened.record(OLD, Change("notes", put={"a.md": ROW}, device=7, via_link=True))
        opened.set_disks(OLD, {Side.LOCAL: {"": "disk-1"}, Side.REMOTE: {"": "disk-2"}})
        opened.past.put_texts(OLD, {"a.md": (DIGEST, TEXT)}, ())
        yield opened


def expecting(state: State, *moved: Side) -> State:
    state.expect({NEW: Former(OLD, moved)})
    return state


@pytest.mark.parametrize("taken", [False, True])
def test_it_is_read_as_its_own_before_and_after_it_is_taken(state: State, *, taken: bool) -> None:
    expecting(state)
    assert state.take_over(NEW) if taken else state.former(NEW) is not None
    found = state.project(NEW)
    assert (found.baseline.files, found.baseline.device, found.via_link) == ({"a.md": ROW}, 7, True)
    assert state.disks(NEW)[Side.LOCAL] == {"": "disk-1"}
    assert state.past.text(NEW, "a.md", DIGEST) == TEXT
    assert (state.former(NEW) is None) is taken
    assert state.repaired is None


@pytest.mark.parametrize("taken", [False, True])
def test_a_folder_that_moved_may_lie_on_another_disk(state: State, *, taken: bool) -> None:
    expecting(state, Side.LOCAL)
    if taken:
        state.take_over(NEW)
    found = state.project(NEW)
    assert (found.baseline.known, found.baseline.device, found.via_link) == (True, None, None)
    assert state.disks(NEW) == {Side.REMOTE: {"": "disk-2"}}


def test_reading_changes_nothing(state: State, tmp_path: Path) -> None:
    expecting(state, Side.LOCAL)
    state.project(NEW)
    state.disks(NEW)
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        assert db.execute("SELECT key FROM projects").fetchall() == [(OLD,)]


def test_one_that_has_a_memory_of_its_own_takes_none(state: State) -> None:
    state.record(NEW, Change("diary", put={"b.md": ROW}))
    expecting(state)
    assert state.former(NEW) is None
    assert not state.take_over(NEW)
    assert state.project(NEW).baseline.files == {"b.md": ROW}
    assert state.project(OLD).baseline.files == {"a.md": ROW}


def test_taking_twice_is_taking_once(state: State) -> None:
    expecting(state)
    assert state.take_over(NEW)
    assert not state.take_over(NEW)
    assert not state.project(OLD).baseline.known
    assert [seen.key for seen in state.projects()] == [NEW]


def test_a_memory_that_cannot_be_trusted_stays_so(state: State, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state.db")) as db:
        db.execute("UPDATE agreed SET content = 'md5:2'")
        db.commit()
    expecting(state)
    assert state.take_over(NEW)
    assert not state.project(NEW).baseline.known
    assert "was damaged" in (state.repaired or "")


def test_one_of_another_machine_is_still_of_that(tmp_path: Path) -> None:
    with State.open(tmp_path, machine=lambda: "one") as state:
        state.record(OLD, Change("notes", put={"a.md": ROW}))
    with State.open(tmp_path, machine=lambda: "two") as state:
        expecting(state)
        assert not state.project(NEW).baseline.known
        state.take_over(NEW)
        assert not state.project(NEW).baseline.known
