"""What a project remembers: it comes back as it went in, or is known to be untrustworthy."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from bm_sync.model.tree import Agreed, FileStamp, ObjectStamp, Side
from bm_sync.state.store import State
from bm_sync.state.values import Change, Remembered

KEY = "a" * 64
OTHER = "b" * 64


def here() -> str:
    return "this-machine"


def agreed(n: int = 1) -> Agreed:
    return Agreed(
        f"md5:{n:032x}", FileStamp(n, n + 10, n + 20, n + 30), ObjectStamp(n, f"md5:{n:032x}", None)
    )


def a_change(**parts: object) -> Change:
    return Change("notes", **parts)  # type: ignore[arg-type] # the parts are named by each test


def recorded(directory: Path, change: Change) -> Remembered:
    with State.open(directory, machine=here) as state:
        state.record(KEY, change)
    with State.open(directory, machine=here) as state:
        assert state.repaired is None
        return state.project(KEY)


def raw(directory: Path, sql: str) -> None:
    with sqlite3.connect(directory / "state.db") as connection:
        changed = connection.execute(sql).rowcount
    connection.close()
    assert changed > 0


def content(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(p.relative_to(directory)): (
            p.read_bytes() if p.is_file() else b"",
            p.stat().st_mtime_ns,
        )
        for p in sorted(directory.rglob("*"))
    }


def test_an_unknown_project_has_no_memory(tmp_path: Path) -> None:
    with State.open(tmp_path / "state", machine=here) as state:
        found = state.project(KEY)
    assert found == Remembered()
    assert not found.baseline.known


def test_everything_that_was_recorded_comes_back(tmp_path: Path) -> None:
    memory = {
        (Side.LOCAL, "draft.md"): (FileStamp(1, 2, 3, 4), "md5:aa"),
        (Side.REMOTE, "draft.md"): (ObjectStamp(1, None, 5), "md5:bb"),
    }
    files = {
        "a.md": agreed(1),
        "both folders.md": Agreed("md5:cc", FileStamp(1, 2, 3, 4), FileStamp(5, 6, 7, 8)),
        "hashless.md": Agreed(None, FileStamp(1, 2, 3, 4), ObjectStamp(1, None, 99)),
        "other hash.md": Agreed("md5:dd", FileStamp(1, 2, 3, 4), ObjectStamp(1, "sha1:ee", None)),
    }
    change = a_change(
        put=files, put_dirs=["b", "b/c"], device=7, filters="[]", via_link=True, memory=memory
    )
    found = recorded(tmp_path / "state", change)
    assert found.baseline.files == files
    assert found.baseline.dirs == frozenset({"b", "b/c"})
    assert found.baseline.known
    assert found.baseline.device == 7
    assert (found.memory, found.filters, found.name, found.via_link) == (
        memory,
        "[]",
        "notes",
        True,
    )


@pytest.mark.parametrize(
    "path",
    [
        "plain.md",
        "caf\u00e9.md",
        "cafe\u0301.md",
        "\U0001f600",
        os.fsdecode(b"\xff\xfe"),
        "a\nb",
        " ",
    ],
)
def test_every_file_name_comes_back(tmp_path: Path, path: str) -> None:
    change = a_change(
        put={path: agreed()},
        put_dirs=[path + "d"],
        memory={(Side.LOCAL, path): (FileStamp(1, 2, 3, 4), "md5:aa")},
    )
    found = recorded(tmp_path / "state", change)
    assert list(found.baseline.files) == [path]
    assert found.baseline.dirs == {path + "d"}
    assert list(found.memory) == [(Side.LOCAL, path)]


def test_numbers_beyond_64_bits_come_back_exactly(tmp_path: Path) -> None:
    year_2400 = 13_569_465_600_000_000_001
    both = Agreed(
        None,
        FileStamp(1, year_2400, -(2**70), 2**64 - 1),
        ObjectStamp(2**64, None, year_2400),
    )
    found = recorded(tmp_path / "state", a_change(put={"x": both}, device=2**64 - 1))
    assert found.baseline.files == {"x": both}
    assert found.baseline.device == 2**64 - 1


def test_records_add_up(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    recorded(directory, a_change(put={"a": agreed(1), "b": agreed(2)}, put_dirs=["d", "e"]))
    recorded(directory, a_change(put={"b": agreed(3), "c": agreed(4)}, drop=["a", "never was"]))
    found = recorded(directory, a_change(put_dirs=["e", "f"], drop_dirs=["d", "never was"]))
    assert found.baseline.files == {"b": agreed(3), "c": agreed(4)}
    assert found.baseline.dirs == {"e", "f"}


def test_none_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    memory = {(Side.LOCAL, "x"): (FileStamp(1, 2, 3, 4), "md5:aa")}
    first = a_change(device=7, filters="[]", via_link=False, memory=memory)
    recorded(tmp_path / "state", first)
    found = recorded(tmp_path / "state", a_change(put={"a": agreed()}))
    assert (found.baseline.device, found.filters, found.via_link) == (7, "[]", False)
    assert found.memory == memory
    assert recorded(tmp_path / "state", a_change(memory={})).memory == {}


def test_projects_do_not_mix(tmp_path: Path) -> None:
    with State.open(tmp_path / "state", machine=here) as state:
        state.record(KEY, a_change(put={"a": agreed(1)}))
        state.record(OTHER, a_change(put={"b": agreed(2)}))
        assert state.forget(KEY) == 1
        assert not state.project(KEY).baseline.known
        assert state.project(OTHER).baseline.files == {"b": agreed(2)}
        assert state.forget(KEY) == 0


def test_a_record_without_news_changes_no_byte(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    memory = {(Side.LOCAL, "x"): (FileStamp(1, 2, 3, 4), "md5:aa")}
    scalars = a_change(device=7, filters="[]", via_link=False, memory=memory)
    recorded(directory, a_change(put={"a": agreed()}, device=7))
    recorded(directory, scalars)
    before = content(directory)
    recorded(directory, scalars)
    recorded(directory, a_change())
    assert content(directory) == before
    recorded(directory, a_change(device=8))
    assert content(directory) != before


def test_a_first_run_over_two_empty_sides_is_remembered(tmp_path: Path) -> None:
    assert recorded(tmp_path / "state", a_change(device=7)).baseline.known


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM agreed WHERE path = 'a'",
        "UPDATE agreed SET l_size = l_size + 1 WHERE path = 'b'",
        "UPDATE agreed SET content = 'md5:0' WHERE path = 'a'",
        "UPDATE agreed SET l_inode = NULL",
        "UPDATE agreed SET r_size = 'many'",
        "UPDATE agreed SET path = 'z' WHERE path = 'a'",
        "DELETE FROM folders",
        "DELETE FROM hashes",
        "UPDATE hashes SET content = 'md5:0'",
        "UPDATE hashes SET side = 'nowhere'",
        "UPDATE projects SET device = 8",
        "UPDATE projects SET filters = 'x'",
        "UPDATE projects SET total = total + 1",
        "UPDATE projects SET seal = seal + 1",
    ],
)
def test_a_changed_memory_is_not_trusted_and_then_made_anew(tmp_path: Path, damage: str) -> None:
    directory = tmp_path / "state"
    memory = {(Side.LOCAL, "x"): (FileStamp(1, 2, 3, 4), "md5:aa")}
    first = a_change(put={"a": agreed(1), "b": agreed(2)}, put_dirs=["d"], device=7, memory=memory)
    recorded(directory, first)
    raw(directory, damage)
    with State.open(directory, machine=here) as state:
        found = state.project(KEY)
        assert not found.baseline.known
        assert not found.baseline.files
        assert state.repaired is not None
        assert "notes" in state.repaired
        state.record(KEY, a_change(put={"c": agreed(3)}, device=9))
    with State.open(directory, machine=here) as state:
        assert state.project(KEY).baseline.files == {"c": agreed(3)}
        assert state.project(KEY).baseline.device == 9
        assert state.repaired is None


def test_a_memory_of_another_machine_is_noticed(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with State.open(directory, host="server1", machine=lambda: "one") as state:
        state.record(KEY, a_change(put={"a": agreed()}))
    with State.peek(directory, machine=lambda: "two") as state:
        assert not state.project(KEY).baseline.known
        assert "server1" in (state.repaired or "")
    with State.open(directory, machine=lambda: "two") as state:
        state.record(KEY, a_change(put={"b": agreed()}))
        assert list(state.project(KEY).baseline.files) == ["b"]
        assert state.repaired is None
    with State.open(directory, machine=lambda: None) as state:
        assert list(state.project(KEY).baseline.files) == ["b"]


def test_a_failed_record_leaves_the_older_memory(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    recorded(directory, a_change(put={"a": agreed(1)}))
    unbindable = Agreed(["not a text"], agreed().local, agreed().remote)  # type: ignore[arg-type]
    with State.open(directory, machine=here) as state, pytest.raises(Exception, match="cannot use"):
        state.record(KEY, a_change(drop=["a"], put={"b": unbindable}))
    with State.open(directory, machine=here) as state:
        assert state.project(KEY).baseline.files == {"a": agreed(1)}
