"""The state directory and its file: private, never half, never in the way."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bm_sync.errors import StateError
from bm_sync.model.tree import Agreed, FileStamp
from bm_sync.state import database, schema
from bm_sync.state.store import State
from bm_sync.state.values import Change

KEY = "a" * 64
AGREED = Agreed("md5:aa", FileStamp(1, 2, 3, 4), FileStamp(1, 2, 3, 5))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def fill(directory: Path, files: int = 1) -> None:
    with State.open(directory, clock=lambda: 0.0) as state:
        state.record(KEY, Change("notes", put={f"{n}.md": AGREED for n in range(files)}))


def known_files(state: State) -> int:
    return len(state.project(KEY).baseline.files)


def everything(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        str(p): (p.read_bytes() if p.is_file() else b"", p.stat().st_mtime_ns, p.stat().st_mode)
        for p in [directory, *sorted(directory.rglob("*"))]
        if p.exists()
    }


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_directory_and_file_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        fill(tmp_path / "deep" / "state")
    finally:
        os.umask(before)
    assert mode(tmp_path / "deep" / "state") == 0o700
    for path in (tmp_path / "deep" / "state").iterdir():
        assert mode(path) == 0o600


def test_a_directory_that_others_can_read_is_made_private(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    fill(directory)
    directory.chmod(0o755)
    (directory / "state.db").chmod(0o644)
    fill(directory)
    assert (mode(directory), mode(directory / "state.db")) == (0o700, 0o600)


def test_a_directory_with_other_things_in_it_keeps_its_mode(tmp_path: Path) -> None:
    directory = tmp_path / "home"
    directory.mkdir(mode=0o755)
    (directory / "letter.txt").write_text("dear")
    fill(directory)
    assert mode(directory) == 0o755


@pytest.mark.parametrize("how", ["open", "peek"])
def test_a_directory_that_others_can_write_is_refused(tmp_path: Path, how: str) -> None:
    directory = tmp_path / "state"
    fill(directory)
    directory.chmod(0o777)
    with pytest.raises(StateError, match="others can write") as refused:
        getattr(State, how)(directory)
    assert "chmod 700" in (refused.value.hint or "")
    assert mode(directory) == 0o777


def test_a_directory_that_others_can_replace_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    fill(shared / "state")
    shared.chmod(0o777)
    with pytest.raises(StateError, match="others can replace"):
        State.open(shared / "state")
    shared.chmod(0o1777)
    State.open(shared / "state").close()


def test_a_symlink_into_a_place_that_others_can_write_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "state").mkdir(parents=True)
    (shared / "state").chmod(0o700)
    shared.chmod(0o777)
    (tmp_path / "link").symlink_to(shared / "state")
    with pytest.raises(StateError, match="others can replace"):
        State.open(tmp_path / "link")
    assert list((shared / "state").iterdir()) == []


def test_a_symlink_to_a_private_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    fill(tmp_path / "link")
    assert (tmp_path / "real" / "state.db").is_file()


@pytest.mark.parametrize("how", ["open", "peek"])
def test_a_symlink_in_place_of_the_file_is_refused(tmp_path: Path, how: str) -> None:
    directory = tmp_path / "state"
    fill(directory)
    (directory / "state.db").rename(tmp_path / "elsewhere.db")
    (directory / "state.db").symlink_to(tmp_path / "elsewhere.db")
    before = (tmp_path / "elsewhere.db").read_bytes()
    with pytest.raises(StateError, match="not a file"):
        getattr(State, how)(directory)
    assert (tmp_path / "elsewhere.db").read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    os.chown(directory, 65534, 65534)
    with pytest.raises(StateError, match="belongs to"):
        State.open(directory)


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="not a directory"):
        State.open(tmp_path / "state")


def test_peeking_where_nothing_is_finds_nothing_and_makes_nothing(tmp_path: Path) -> None:
    with State.peek(tmp_path / "state") as state:
        assert not state.project(KEY).baseline.known
        assert state.projects() == ()
        assert state.runs() == ()
        assert state.repaired is None
    assert list(tmp_path.iterdir()) == []


def test_peeking_changes_no_byte(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    fill(directory, files=100)
    before = everything(directory)
    with State.peek(directory) as state:
        assert known_files(state) == 100
        with pytest.raises(StateError, match="reading only"):
            state.record(KEY, Change("notes", drop=["0.md"]))
    assert everything(directory) == before


def test_a_reader_and_a_writer_work_side_by_side(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    fill(directory)
    with State.open(directory) as writer, State.peek(directory) as reader:
        writer.record(KEY, Change("notes", put={"b.md": AGREED}))
        assert known_files(reader) == 2


def test_what_is_read_together_belongs_together(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    fill(directory)
    other = sqlite3.connect(directory / "state.db", timeout=0, isolation_level=None)
    db = database.open_for_reading(directory)
    with db.reading() as connection:
        connection.execute("SELECT total FROM projects").fetchone()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("DELETE FROM agreed")
        assert connection.execute("SELECT count(*) FROM agreed").fetchone() == (1,)
    other.execute("DELETE FROM agreed")
    db.close()
    other.close()


def _damage_zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def _damage_half(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + 7])


def _damage_random(path: Path) -> None:
    path.write_bytes(bytes((n * 7919) % 251 for n in range(path.stat().st_size)))


def _damage_pages(path: Path) -> None:
    """Overwrite everything but the first page."""
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))


def _damage_text(path: Path) -> None:
    path.write_text("this is a text, not a database\n")


def _damage_foreign(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE shopping (item TEXT)")
    connection.close()


DAMAGE = [
    _damage_zero,
    _damage_empty,
    _damage_half,
    _damage_random,
    _damage_pages,
    _damage_text,
    _damage_foreign,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_moved_aside_and_its_last_good_copy_is_used(
    tmp_path: Path, damage: object
) -> None:
    directory = tmp_path / "state"
    fill(directory, files=500)
    assert callable(damage)
    damage(directory / "state.db")
    before = everything(directory)
    with State.peek(directory) as state:
        assert "moves it aside and uses its last good copy" in (state.repaired or "")
        assert known_files(state) == 500
    assert everything(directory) == before
    with State.open(directory, clock=lambda: 0.0) as state:
        assert "state.db.damaged-19700101T000000Z; its last good copy" in (state.repaired or "")
        assert known_files(state) == 500
    with State.open(directory) as state:
        assert state.repaired is None
        assert known_files(state) == 500


@pytest.mark.parametrize("damage", DAMAGE)
def test_where_the_copy_is_damaged_as_well_a_new_file_is_made(
    tmp_path: Path, damage: object
) -> None:
    directory = tmp_path / "state"
    fill(directory, files=500)
    assert callable(damage)
    damage(directory / "state.db")
    damage(directory / "state.db.spare")
    with State.peek(directory) as state:
        assert "moves it aside and observes anew" in (state.repaired or "")
    with State.open(directory) as state:
        assert "observes both sides anew" in (state.repaired or "")
        assert known_files(state) == 0


def test_the_copy_is_made_only_when_something_was_learnt(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    fill(directory)
    spare = directory / "state.db.spare"
    first = spare.stat().st_ino
    with State.open(directory) as state:
        state.set_remote_fact("b2", "conditions", True)
    assert spare.stat().st_ino == first
    fill(directory, files=2)
    assert spare.stat().st_ino != first
    with State.open(directory) as state:
        state.forget(KEY)
    _damage_zero(directory / "state.db")
    with State.open(directory) as state:
        assert known_files(state) == 0, "what was forgotten stays so"


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_moved_aside_and_a_new_one_works(
    tmp_path: Path,
    damage: object,
) -> None:
    directory = tmp_path / "state"
    fill(directory, files=500)
    (directory / "state.db.spare").unlink()
    assert callable(damage)
    damage(directory / "state.db")
    broken = (directory / "state.db").read_bytes()
    before = everything(directory)
    with State.peek(directory) as state:
        assert "damaged" in (state.repaired or "")
        assert known_files(state) == 0
    assert everything(directory) == before
    with State.open(directory, clock=lambda: 0.0) as state:
        assert "state.db.damaged-19700101T000000Z" in (state.repaired or "")
        assert known_files(state) == 0
    assert (directory / "state.db.damaged-19700101T000000Z").read_bytes() == broken
    fill(directory)
    with State.open(directory) as state:
        assert state.repaired is None
        assert known_files(state) == 1


def test_several_damaged_files_are_all_kept(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    for _ in range(3):
        fill(directory)
        _damage_text(directory / "state.db")
    fill(directory)
    assert len(list(directory.glob("state.db.damaged-*"))) == 3


def test_damage_that_is_met_in_use_is_mended_by_the_next_run(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    fill(directory, files=2000)
    whole = (directory / "state.db").read_bytes()
    with State.open(directory) as state:
        # Another change counter makes the open connection read the pages again.
        changed = whole[:24] + b"\xff\xff\xff\xff" + whole[28:4096]
        (directory / "state.db").write_bytes(changed + b"\xa5" * (len(whole) - 4096))
        with pytest.raises(StateError, match="damaged") as met:
            state.project(KEY)
        assert "run this again" in (met.value.hint or "")
    # Even when the check at the start would find nothing.
    (directory / "state.db").write_bytes(whole)
    with State.open(directory) as state:
        assert "damaged" in (state.repaired or "")
    with State.open(directory) as state:
        assert state.repaired is None


def test_a_removed_file_is_no_damage(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    fill(directory)
    (directory / "state.db").unlink()
    with State.open(directory) as state:
        assert state.repaired is None
        assert known_files(state) == 0


@pytest.mark.parametrize("how", ["open", "peek"])
def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path, how: str) -> None:
    directory = tmp_path / "state"
    fill(directory)
    connection = sqlite3.connect(directory / "state.db")
    connection.execute(f"PRAGMA user_version = {len(schema.STEPS) + 1}")
    connection.close()
    before = (directory / "state.db").read_bytes()
    with pytest.raises(StateError, match="newer bm-sync") as refused:
        getattr(State, how)(directory)
    assert "upgrade" in (refused.value.hint or "")
    assert (directory / "state.db").read_bytes() == before


def test_an_older_file_is_brought_up_to_date_and_peeked_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "state"
    fill(directory)
    step = "CREATE TABLE later (x); INSERT INTO later VALUES (1);"
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, step))
    monkeypatch.setattr(schema.upgrade, "__defaults__", (schema.STEPS,))
    before = everything(directory)
    with State.peek(directory) as state:
        assert known_files(state) == 1
    assert everything(directory) == before
    with State.open(directory) as state:
        assert known_files(state) == 1
    connection = sqlite3.connect(directory / "state.db")
    assert connection.execute("SELECT x FROM later").fetchall() == [(1,)]
    assert schema.version(connection) == len(schema.STEPS)
    connection.close()


_KILLED = """
import os, signal, sys
from pathlib import Path
from bm_sync.model.tree import Agreed, FileStamp
from bm_sync.state import database, baselines
from bm_sync.state.machine import Here
from bm_sync.state.values import Change
db = database.open_for_writing(Path(sys.argv[1]), "x")
agreed = Agreed("md5:bb", FileStamp(9, 9, 9, 9), FileStamp(9, 9, 9, 9))
change = Change("notes", put={f"{n}.md": agreed for n in range(3000)})
with db.writing() as connection:
    connection.execute("PRAGMA cache_size = 2")
    baselines.record(connection, "a" * 64, change, here=Here(None, ""), anew=False)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_killed_within_a_record_leaves_the_memory_before_it(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    fill(directory, files=1000)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(directory)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (directory / "state.db-journal").stat().st_size > 0, "the kill came too early or late"
    before = everything(directory)
    with State.peek(directory) as state:
        assert state.repaired is None
        assert known_files(state) == 1000
        assert state.project(KEY).baseline.files["0.md"] == AGREED
    assert everything(directory) == before
    with State.open(directory) as state:
        assert state.repaired is None
        assert known_files(state) == 1000
        assert state.project(KEY).baseline.files["0.md"] == AGREED


_OPENS = """
import sys
from pathlib import Path
from bm_sync.state.store import State
for _ in range(20):
    with State.open(Path(sys.argv[1])) as state:
        state.set_remote_fact("b2", sys.argv[2], True)
"""


def test_processes_that_start_at_once_share_one_file(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    running = [
        subprocess.Popen([sys.executable, "-c", _OPENS, str(directory), name]) for name in "abc"
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    with State.open(directory) as state:
        assert state.repaired is None
        assert all(state.remote_fact("b2", name) is True for name in "abc")
    assert list(directory.glob("*.damaged-*")) == []


def test_a_leftover_of_a_killed_set_up_is_no_harm(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    (directory / "state.db.new").write_bytes(b"half")
    fill(directory)
    with State.open(directory) as state:
        assert state.repaired is None
    assert not (directory / "state.db.new").exists()


def test_facts_about_remotes_are_kept(tmp_path: Path) -> None:
    with State.open(tmp_path / "state") as state:
        assert state.remote_fact("b2", "conditions") is None
        state.set_remote_fact("b2", "conditions", True)
        state.set_remote_fact("b2", "conditions", False)
        state.set_remote_fact("other", "conditions", "etag")
    with State.peek(tmp_path / "state") as state:
        assert state.remote_fact("b2", "conditions") is False
        assert state.remote_fact("other", "conditions") == "etag"


def test_a_hundred_thousand_files_are_kept_in_little_space(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    fill(directory, files=100_000)
    with State.open(directory) as state:
        assert known_files(state) == 100_000
    assert (directory / "state.db").stat().st_size < 15_000_000
