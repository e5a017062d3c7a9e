"""A project leaves a state as a database of its own and enters another, which judges it."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bm_sync.errors import StateError
from bm_sync.model.past import PRUNED, Effect, EffectKind
from bm_sync.model.report import OpenConflict
from bm_sync.model.run import Done, Outcome, ProjectRun, Run, Status
from bm_sync.model.tree import Agreed, ObjectStamp, Side
from bm_sync.state.machine import no_machine
from bm_sync.state.portable import QUIET_RUNS
from bm_sync.state.store import State
from bm_sync.state.values import Change

KEY, OTHER = "a" * 32, "b" * 32
STAMP = ObjectStamp(5, "md5:aa", None, "tag")
AGREED = Agreed("md5:aa", STAMP, STAMP)
RUN = Run("", "apply", "2026-11-22T07:15:00Z", "", "pod", "sync.yaml", "d", -1, ())


def opened(folder: Path) -> State:
    return State.open(folder, machine=no_machine)


def ran(state: State, name: str, key: str = KEY, *, quiet: bool = False) -> None:
    """Write a run of one project."""
    state.begin_run(replace(RUN, id=name))
    done = Done("copy", "a.md", Side.REMOTE, 5, "new", Outcome.DONE, None, None)
    status = Status.IN_SYNC if quiet else Status.CHANGED
    project = ProjectRun("notes", key, status, RUN.started, 0.1, actions=() if quiet else (done,))
    state.end_project(name, project, local="prod:notes", remote="store:notes")
    if not quiet:
        kept = f".bm-sync/trash/{name}/notes/a.md"
        effect = Effect(EffectKind.PUT, "a.md", Side.REMOTE, "md5:aa", kept=kept, kept_size=5)
        state.past.put(name, key, "notes", [effect])


def filled(folder: Path) -> State:
    state = opened(folder)
    for key in (KEY, OTHER):
        memory = {(Side.REMOTE, "c.md"): (STAMP, "md5:cc")}
        put = {"a.md": AGREED, "sub/ü.md": AGREED, f"{key}.md": AGREED}
        state.record(key, Change("notes", put=put, put_dirs=["sub"], filters="f", memory=memory))
        clash = OpenConflict("notes", "a.md", "a.conflict.md", Side.LOCAL, "r1", "now", "both")
        state.put_conflicts(key, (clash,))
        state.past.put_texts(key, {"a.md": ("md5:aa", b"text")}, ())
        ran(state, f"r-{key}", key)
    state.set_remote_fact("store", "conditions", value=True)
    return state


def test_all_of_one_project_and_nothing_of_others_travels(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        assert two.take_in(KEY, one.export(KEY))
        assert two.project(KEY) == one.project(KEY)
        assert two.project(KEY).baseline.known
        assert two.conflicts(KEY) == one.conflicts(KEY)
        assert two.past.text(KEY, "a.md", "md5:aa") == b"text"
        assert two.past.of_run(f"r-{KEY}", KEY) == one.past.of_run(f"r-{KEY}", KEY)
        assert two.remote_fact("store", "conditions") is True
        (run,) = two.runs()
        assert two.run(run.id) == replace(one.run(run.id) or RUN, exit=0, ended=RUN.started)
        assert [seen.key for seen in two.projects()] == [KEY]
        assert two.repaired is None


def test_the_newer_memory_replaces_and_records_are_put_together(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        two.take_in(KEY, one.export(KEY))
        ran(two, "s-only-here")
        one.record(KEY, Change("notes", drop=["a.md"]))
        one.put_conflicts(KEY, ())
        ran(one, "t-newer")
        assert two.take_in(KEY, one.export(KEY))
        assert two.take_in(KEY, one.export(KEY)), "twice is as good as once"
        assert two.project(KEY) == one.project(KEY)
        assert two.conflicts(KEY) == ()
        assert [run.id for run in two.runs()] == ["t-newer", "s-only-here", f"r-{KEY}"]
        assert two.past.last_run([KEY]) == "t-newer"
        assert len(two.past.held(KEY)) == 3


def test_what_is_pruned_there_is_pruned_here(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        two.take_in(KEY, one.export(KEY))
        one.past.pruned(KEY, [(f"r-{KEY}", Side.REMOTE)])
        two.take_in(KEY, one.export(KEY))
        assert two.past.held(KEY) == ()


def test_what_is_pruned_here_stays_pruned(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        two.take_in(KEY, one.export(KEY))
        two.past.pruned(KEY, [(f"r-{KEY}", Side.REMOTE)])
        two.take_in(KEY, one.export(KEY))
        assert two.past.held(KEY) == ()
        assert [effect.kept for effect in two.past.of_run(f"r-{KEY}", KEY)] == [PRUNED]


def test_old_quiet_runs_stay_behind_and_those_that_kept_something_never(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        ran(one, "0-first")
        for n in range(QUIET_RUNS + 20):
            ran(one, f"1-{n:04}", quiet=True)
        two.take_in(KEY, one.export(KEY))
        runs = [run.id for run in two.runs(10_000)]
        assert len(runs) == QUIET_RUNS + 1
        assert (runs[0], runs[-1]) == (f"1-{QUIET_RUNS + 19:04}", "0-first")


def test_a_memory_that_another_machine_made_is_used(tmp_path: Path) -> None:
    with State.open(tmp_path / "one", machine=lambda: "here") as one:
        one.record(KEY, Change("notes", put={"a.md": AGREED}))
        data = one.export(KEY)
    with State.open(tmp_path / "two", machine=lambda: "there") as two:
        assert two.take_in(KEY, data)
        assert two.project(KEY).baseline.files == {"a.md": AGREED}


def test_a_memory_that_was_damaged_is_not_made_sound_by_travelling(tmp_path: Path) -> None:
    filled(tmp_path / "one").close()
    with sqlite3.connect(tmp_path / "one/state.db") as connection:
        connection.execute("UPDATE projects SET filters = 'other' WHERE key = ?", (KEY,))
    connection.close()
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        assert two.take_in(KEY, one.export(KEY))
        assert not two.project(KEY).baseline.known
        assert "was damaged" in (two.repaired or "")


def test_a_copy_apart_takes_in_and_the_directory_stays_as_it_is(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one:
        data = one.export(KEY)
    opened(tmp_path / "two").close()
    before = (tmp_path / "two/state.db").read_bytes()
    with State.peek(tmp_path / "two", machine=no_machine, apart=True) as two:
        assert two.take_in(KEY, data)
        assert two.project(KEY).baseline.known
    assert (tmp_path / "two/state.db").read_bytes() == before
    with State.peek(tmp_path / "nothing", apart=True) as two:
        assert two.take_in(KEY, data)
    assert not (tmp_path / "nothing").exists()


def altered(data: bytes, folder: Path, statement: str) -> bytes:
    file = folder / "altered.db"
    file.write_bytes(data)
    connection = sqlite3.connect(file)
    connection.executescript(statement)
    connection.close()
    return file.read_bytes()


LOOSE = """
CREATE TABLE loose AS SELECT * FROM agreed;
DROP TABLE agreed;
ALTER TABLE loose RENAME TO agreed;
UPDATE agreed SET crc = NULL;
"""


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM projects",
        "DROP TABLE agreed",
        "PRAGMA application_id = 1",
        "PRAGMA user_version = 0",
        "ALTER TABLE runs DROP COLUMN host",
        "UPDATE run_projects SET project = CAST(x'ff' AS TEXT)",
        LOOSE,
    ],
)
def test_what_is_no_whole_state_of_the_project_changes_nothing(
    tmp_path: Path, statement: str
) -> None:
    with filled(tmp_path / "one") as one, filled(tmp_path / "two") as two:
        before = two.project(KEY)
        assert not two.take_in(KEY, altered(one.export(KEY), tmp_path, statement))
        assert not two.take_in(OTHER, one.export(KEY)), "of another project"
        assert two.project(KEY) == before
        assert len(two.runs()) == 2


def test_a_state_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one:
        newer = altered(one.export(KEY), tmp_path, "PRAGMA user_version = 99")
        with pytest.raises(StateError, match="newer bm-sync"):
            one.take_in(KEY, newer)


def test_bytes_at_random_are_refused_or_taken_and_never_raise(tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311 - odd bytes, no secret
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        whole = one.export(KEY)
        for _ in range(60):
            odd = bytearray(whole)
            for _ in range(chance.randrange(1, 40)):
                odd[chance.randrange(len(odd))] = chance.randrange(256)
            data = bytes(odd[: chance.choice([len(odd), len(odd) // 2])])
            before = two.project(KEY), two.runs()
            try:
                taken = two.take_in(KEY, data)
            except StateError:  # a version of the future
                taken = False
            assert taken or (two.project(KEY), two.runs()) == before
