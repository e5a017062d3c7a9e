"""A project leaves a state as a database of its own and enters another, which judges it."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import zlib
from pathlib import Path

import pytest

from bm_sync.errors import StateError
from bm_sync.model.past import PRUNED, Effect, EffectKind
from bm_sync.model.report import OpenConflict
from bm_sync.model.run import Done, Outcome, ProjectRun, Run, Status
from bm_sync.model.tree import Agreed, ObjectStamp, Side
from bm_sync.state import portable
from bm_sync.state.machine import no_machine
from bm_sync.state.portable import QUIET_RUNS, Wanted
from bm_sync.state.store import State
from bm_sync.state.values import Change
from bm_sync.structs import replace

KEY, OTHER = "a" * 32, "b" * 32
NOTES = Wanted(KEY, ("store",))
FIRST, SECOND, THIRD = (f"2026112{n}T071500Z-aa" for n in range(3))
OF_OTHER = "20261120T071500Z-bb"
TEXT = b"text"
MD5 = f"md5:{hashlib.md5(TEXT, usedforsecurity=False).hexdigest()}"
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
        clash = OpenConflict(
            "notes", "a.md", "a.conflict.md", Side.LOCAL, FIRST, RUN.started, "both"
        )
        state.put_conflicts(key, (clash,))
        state.past.put_texts(key, {"a.md": (MD5, TEXT)}, ())
        ran(state, FIRST if key == KEY else OF_OTHER, key)
    state.set_remote_fact("store", "conditions", value=True)
    return state


def test_all_of_one_project_and_nothing_of_others_travels(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        assert two.take_in(NOTES, one.export(NOTES)) == 0
        assert two.project(KEY) == one.project(KEY)
        assert two.project(KEY).baseline.known
        assert two.conflicts(KEY) == one.conflicts(KEY)
        assert two.past.text(KEY, "a.md", MD5) == TEXT
        assert two.past.of_run(FIRST, KEY) == one.past.of_run(FIRST, KEY)
        assert two.remote_fact("store", "conditions") is True
        (run,) = two.runs()
        assert two.run(run.id) == replace(one.run(run.id) or RUN, exit=0, ended=RUN.started)
        assert [seen.key for seen in two.projects()] == [KEY]
        assert two.repaired is None


def test_the_newer_memory_replaces_and_records_are_put_together(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        two.take_in(NOTES, one.export(NOTES))
        ran(two, SECOND)
        one.record(KEY, Change("notes", drop=["a.md"]))
        one.put_conflicts(KEY, ())
        ran(one, THIRD)
        assert two.take_in(NOTES, one.export(NOTES)) == 0
        assert two.take_in(NOTES, one.export(NOTES)) == 0, "twice is as good as once"
        assert two.project(KEY) == one.project(KEY)
        assert two.conflicts(KEY) == ()
        assert [run.id for run in two.runs()] == [THIRD, SECOND, FIRST]
        assert two.past.last_run([KEY]) == THIRD
        assert len(two.past.held(KEY)) == 3


def test_what_is_pruned_there_is_pruned_here(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        two.take_in(NOTES, one.export(NOTES))
        one.past.pruned(KEY, [(FIRST, Side.REMOTE)])
        two.take_in(NOTES, one.export(NOTES))
        assert two.past.held(KEY) == ()


def test_what_is_pruned_here_stays_pruned(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        two.take_in(NOTES, one.export(NOTES))
        two.past.pruned(KEY, [(FIRST, Side.REMOTE)])
        two.take_in(NOTES, one.export(NOTES))
        assert two.past.held(KEY) == ()
        assert [effect.kept for effect in two.past.of_run(FIRST, KEY)] == [PRUNED]


def test_old_quiet_runs_stay_behind_and_those_that_kept_something_never(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        ran(one, FIRST)
        for n in range(QUIET_RUNS + 20):
            ran(one, f"20261121T071500Z-{n:04x}", quiet=True)
        two.take_in(NOTES, one.export(NOTES))
        runs = [run.id for run in two.runs(10_000)]
        assert len(runs) == QUIET_RUNS + 1
        assert (runs[0], runs[-1]) == (f"20261121T071500Z-{QUIET_RUNS + 19:04x}", FIRST)


def test_a_memory_that_another_machine_made_is_used(tmp_path: Path) -> None:
    with State.open(tmp_path / "one", machine=lambda: "here") as one:
        one.record(KEY, Change("notes", put={"a.md": AGREED}))
        data = one.export(NOTES)
    with State.open(tmp_path / "two", machine=lambda: "there") as two:
        assert two.take_in(NOTES, data) == 0
        assert two.project(KEY).baseline.files == {"a.md": AGREED}


def test_a_memory_that_was_damaged_is_not_made_sound_by_travelling(tmp_path: Path) -> None:
    filled(tmp_path / "one").close()
    with sqlite3.connect(tmp_path / "one/state.db") as connection:
        connection.execute("UPDATE projects SET filters = 'other' WHERE key = ?", (KEY,))
    connection.close()
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        assert two.take_in(NOTES, one.export(NOTES)) == 0
        assert not two.project(KEY).baseline.known
        assert "was damaged" in (two.repaired or "")


def test_a_copy_apart_takes_in_and_the_directory_stays_as_it_is(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one:
        data = one.export(NOTES)
    opened(tmp_path / "two").close()
    before = (tmp_path / "two/state.db").read_bytes()
    with State.peek(tmp_path / "two", machine=no_machine, apart=True) as two:
        assert two.take_in(NOTES, data) == 0
        assert two.project(KEY).baseline.known
    assert (tmp_path / "two/state.db").read_bytes() == before
    with State.peek(tmp_path / "nothing", apart=True) as two:
        assert two.take_in(NOTES, data) == 0
    assert not (tmp_path / "nothing").exists()


def altered(data: bytes, folder: Path, statement: str) -> bytes:
    file = folder / "altered.db"
    file.write_bytes(data)
    connection = sqlite3.connect(file)
    connection.executescript(statement)
    connection.close()
    return file.read_bytes()


ENDLESS = """
DROP TABLE facts;
CREATE VIEW facts AS WITH RECURSIVE x(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM x)
    SELECT 'i' || n AS identity, 'n' AS name, hex(zeroblob(1000)) AS value FROM x;
"""
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
        "CREATE VIEW more AS SELECT 1",
        "CREATE TRIGGER more AFTER INSERT ON runs BEGIN SELECT 1; END",
        "CREATE INDEX more ON runs (host)",
        "CREATE TABLE more (a)",
        "CREATE VIRTUAL TABLE more USING fts5(a)",
        "ALTER TABLE facts ADD COLUMN more AS (name)",
        "DROP INDEX effects_kept",
        "ANALYZE",
        ENDLESS,
        LOOSE,
    ],
)
def test_what_is_no_whole_state_of_the_project_changes_nothing(
    tmp_path: Path, statement: str
) -> None:
    with filled(tmp_path / "one") as one, filled(tmp_path / "two") as two:
        before = two.project(KEY)
        assert two.take_in(NOTES, altered(one.export(NOTES), tmp_path, statement)) is None
        assert two.take_in(Wanted(OTHER), one.export(NOTES)) is None, "of another project"
        assert two.project(KEY) == before
        assert len(two.runs()) == 2


def test_a_state_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one:
        newer = altered(one.export(NOTES), tmp_path, "PRAGMA user_version = 99")
        with pytest.raises(StateError, match="newer bm-sync"):
            one.take_in(NOTES, newer)


def test_bytes_at_random_are_refused_or_taken_and_never_raise(tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311 - odd bytes, no secret
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        whole = one.export(NOTES)
        for _ in range(60):
            odd = bytearray(whole)
            for _ in range(chance.randrange(1, 40)):
                odd[chance.randrange(len(odd))] = chance.randrange(256)
            data = bytes(odd[: chance.choice([len(odd), len(odd) // 2])])
            before = two.project(KEY), two.runs()
            try:
                taken = two.take_in(NOTES, data)
            except StateError:  # a version of the future
                taken = None
            assert taken is not None or (two.project(KEY), two.runs()) == before


SPOILT = {
    "facts": ["value = x'00'", "value = '[1]'", "value = '1e999'"],
    "effects": [
        "kind = 'zzz'",
        "kept = 7",
        "kept = '.bm-sync/trash/20261120T071500Z-aa/payroll/a.md'",
        "kept = '.bm-sync/../../a.md'",
        "project = 'payroll'",
        "project = '../x'",
        "path = '../a.md'",
        "path = x'610062'",
        "side = 'middle'",
        "kept_size = 'many'",
    ],
    "runs": [
        "id = 'r1'",
        "started = 'yesterday'",
        "started = '2026-13-41T00:00:00Z'",
        "ended = 5",
        "exit = 4000000000",
        "host = CAST(x'ff' AS TEXT)",
        "manifest = printf('%.*c', 2000000, 'x')",
    ],
    "run_projects": [
        "body = '[]'",
        "body = '{'",
        'body = \'{"totals": {"up": -1}}\'',
        "body = '{\"totals\": {\"bytes_up\": 1' || printf('%.*c', 400, '0') || '}}'",
        "body = printf('%.*c', 100000, '[')",
        "status = 'zzz'",
        "seconds = 9e999",
        "seconds = -1",
        "seconds = 'long'",
        "files = -1",
        "message = 5",
        "started = '9999-12-31T23:59:59Z'",
    ],
    "actions": ["outcome = 'zzz'", "size = 'x'", "kind = char(27) || ']0;'", "detail = 7"],
    "conflicts": ["since = 'now'", "path = '/etc/passwd'", "winner = 'middle'", "kept = ''"],
    "texts": ["text = 'text'", "content = ''"],
    "hashes": ["side = 'middle'", "content = x'00'", "size = 1.5"],
    "folders": ["path = 'a/../b'"],
    "agreed": [
        "path = '../' || path",
        "crc = 'x'",
        "l_size = 'x'",
        "r_mtime = x'00'",
        "content = ' '",
    ],
}


@pytest.mark.parametrize("spoilt", [(t, v) for t, values in SPOILT.items() for v in values])
def test_a_record_that_its_column_cannot_hold_stays_behind_alone(
    tmp_path: Path, spoilt: tuple[str, str]
) -> None:
    table, value = spoilt
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        spoil = f"UPDATE {table} SET {value}"  # noqa: S608 - the table above
        data = altered(one.export(NOTES), tmp_path, spoil)
        wanted = replace(NOTES, others=["payroll"])
        assert two.take_in(wanted, data)
        two.examine()
        assert two.repaired is None, "nothing of it came along"
        is_memory = table in {"agreed", "folders", "hashes"}
        assert two.project(KEY).baseline.known is not is_memory
        has_runs = table not in {"runs", "run_projects"}
        assert len(two.runs()) == has_runs
        assert bool(two.past.of_run(FIRST, KEY)) is (table != "effects")
        assert bool(two.conflicts(KEY)) is (table != "conflicts")


@pytest.mark.parametrize(
    "value",
    ["status = 'zzz'", "converged = 'x'", "files = -1", "last_run = x'00'", "message = 5"],
)
def test_a_project_keeps_its_memory_when_only_its_last_result_is_spoilt(
    tmp_path: Path, value: str
) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        data = altered(one.export(NOTES), tmp_path, f"UPDATE projects SET {value}")  # noqa: S608 - above
        assert two.take_in(NOTES, data)
        assert two.project(KEY) == one.project(KEY)
        assert two.projects()[0].name == "notes"
        two.examine()
        assert two.repaired is None


def test_what_belongs_to_others_stays_behind_and_is_no_damage(tmp_path: Path) -> None:
    more = """
    INSERT INTO facts VALUES ('planted', 'conditions', 'true'), ('OTHER', 'conditions', 'true');
    INSERT INTO conflicts (key, path, project, run, since, what)
        SELECT 'OTHER', path, project, run, since, what FROM conflicts;
    INSERT INTO effects (key, run, n, project, kind, path, side)
        SELECT 'OTHER', run, n, project, kind, path, side FROM effects;
    INSERT INTO projects (key) VALUES ('OTHER');
    """
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        assert (
            two.take_in(NOTES, altered(one.export(NOTES), tmp_path, more.replace("OTHER", OTHER)))
            == 0
        )
        assert two.remote_fact("planted", "conditions") is None
        assert two.remote_fact(OTHER, "conditions") is None
        assert [seen.key for seen in two.projects()] == [KEY]
        assert two.conflicts(OTHER) == ()
        assert two.past.of_run(FIRST, OTHER) == ()


def test_a_value_larger_than_any_of_ours_makes_a_state_unusable(tmp_path: Path) -> None:
    huge = "UPDATE runs SET host = zeroblob(70000000)"
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        assert two.take_in(NOTES, altered(one.export(NOTES), tmp_path, huge)) is None
        assert two.runs() == ()


def test_work_on_a_fetched_state_is_bounded_by_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        data = one.export(NOTES)
        monkeypatch.setattr(portable, "_LEAST_STEPS", 10)
        monkeypatch.setattr(portable, "_STEPS_A_BYTE", 0)
        assert two.take_in(NOTES, data) is None
        monkeypatch.setattr(portable, "MAX_BYTES", len(data) - 1)
        assert two.take_in(NOTES, data) is None
        assert two.projects() == ()


def test_a_text_that_unpacks_to_more_than_is_kept_is_none(tmp_path: Path) -> None:
    with filled(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        bomb = zlib.compress(bytes(100 << 20)).hex()
        spoil = f"UPDATE texts SET text = x'{bomb}'"  # noqa: S608 - above
        data = altered(one.export(NOTES), tmp_path, spoil)
        assert two.take_in(NOTES, data) == 0
        assert two.past.text(KEY, "a.md", MD5) is None
