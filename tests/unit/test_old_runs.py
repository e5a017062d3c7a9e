"""Which records of runs stay, what goes with the others, and that the file shrinks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bm_sync.engine import old_runs
from bm_sync.engine.identity import project_key
from bm_sync.model.config import BUILT_IN, FilterSet, KeepHistory, Manifest, Policy, Project
from bm_sync.model.past import Effect, EffectKind
from bm_sync.model.report import OpenConflict
from bm_sync.model.run import Done, Outcome, ProjectRun, Run, Status
from bm_sync.model.setup import Setup
from bm_sync.model.tree import Side
from bm_sync.state import database, schema
from bm_sync.state.store import State
from bm_sync.state.thinning import Edges, Record, superfluous
from bm_sync.structs import replace

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOTES = Project("pa", Path("/m/pa"), None, "pa", Policy("p"), FilterSet(), (), BUILT_IN)
KEY, OTHER = project_key(NOTES), "b" * 64
MOVED = (Done("copy", "a.md", Side.LOCAL, 5, "new", Outcome.DONE, None, None),)


def manifest_of(keep: KeepHistory) -> Manifest:
    return Manifest(Path("/m/sync.yaml"), "", (), (NOTES,), keep_history=keep)


def write(
    state: State, at: datetime, keys: Iterable[str] = (KEY,), actions: tuple[Done, ...] = ()
) -> str:
    """Record a whole run and return its id."""
    name, iso = f"{at:%Y%m%dT%H%M%SZ}-00", f"{at:%Y-%m-%dT%H:%M:%SZ}"
    run = Run(name, "apply", iso, "", "desk", "sync.yaml", "d" * 64, -1, ())
    state.begin_run(run)
    for key in keys:
        status = Status.CHANGED if actions else Status.IN_SYNC
        one = ProjectRun(
            "pa" if key == KEY else "pb", key, status, iso, 0.25, actions=actions, files=3
        )
        state.end_project(name, one)
    state.end_run(replace(run, ended=iso, exit=0))
    return name


def ids(state: State) -> list[str]:
    return [run.id for run in reversed(state.runs(limit=10_000))]


def setup_of(folder: Path) -> Setup:
    return Setup({}, folder, "desk")


def thin(state: State, folder: Path, keep: KeepHistory) -> None:
    """End as many runs as it takes until nothing is due."""
    for _ in range(50):
        old_runs.after_run(manifest_of(keep), state, setup_of(folder), NOW)


KEEP = KeepHistory(all_s=30 * 86400.0, daily_s=365 * 86400.0)


def test_after_thirty_days_one_run_a_day_stays_and_after_a_year_none(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        ages = [400, 200, 31, 29, 0]
        made = {
            age: [write(state, NOW - timedelta(days=age, hours=h)) for h in (3, 2, 1)]
            for age in ages
        }
        thin(state, tmp_path, KEEP)
        assert ids(state) == [made[200][-1], made[31][-1], *made[29], *made[0]]


def test_the_run_of_a_day_that_did_something_stays(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        write(state, NOW - timedelta(days=40, hours=3))
        busy = write(state, NOW - timedelta(days=40, hours=2), actions=MOVED)
        write(state, NOW - timedelta(days=40, hours=1))
        last = write(state, NOW)
        thin(state, tmp_path, KEEP)
        assert ids(state) == [busy, last]
        run = state.run(busy)
        assert run is not None
        assert run.projects[0].actions == MOVED


def test_what_a_kept_version_or_an_open_conflict_needs_stays_until_it_is_gone(
    tmp_path: Path,
) -> None:
    with State.open(tmp_path) as state:
        kept, clash, plain = (write(state, NOW - timedelta(days=500, hours=h)) for h in (3, 2, 1))
        write(state, NOW)
        effect = Effect(
            EffectKind.GONE, "a.md", Side.LOCAL, None, None, f".bm-sync/trash/{kept}/p/a.md", 5
        )
        state.past.put(kept, KEY, "pa", [effect])
        state.past.put(plain, KEY, "pa", [replace(effect, kept=None)])
        what = "both sides changed it"
        state.put_conflicts(
            KEY,
            (OpenConflict("pa", "b.md", None, None, clash, "2026-11-22T07:15:01Z", what),),
        )
        thin(state, tmp_path, KEEP)
        assert {kept, clash} < set(ids(state))
        assert plain not in ids(state)
        assert state.past.of_run(kept, KEY) == (effect,)
        assert state.past.of_run(plain, KEY) == ()
        state.past.pruned(KEY, [(kept, Side.LOCAL)])
        old_runs.prune(manifest_of(KEEP), state, setup_of(tmp_path), NOW)
        assert kept not in ids(state)


def test_that_a_run_brought_a_file_that_may_be_a_manifest_stays_known(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        first, second = (write(state, NOW - timedelta(days=500, hours=h)) for h in (2, 1))
        write(state, NOW)
        for run in (first, second):
            names = ("a.md", "sub/sync.yaml") if run == first else ("a.md", "old.yml", "sub/x.yaml")
            put = [Effect(EffectKind.PUT, n, Side.LOCAL, "md5:0") for n in (*names, "both.yaml")]
            state.past.put(run, KEY, "pa", [*put, replace(put[-1], side=Side.REMOTE)])
        thin(state, tmp_path, KEEP)
        assert not {first, second} & set(ids(state))
        left = {(e.path, e.side) for run in (first, second) for e in state.past.of_run(run, KEY)}
        yaml = {"sub/sync.yaml", "old.yml", "sub/x.yaml", "both.yaml"}
        assert left == {(name, Side.LOCAL) for name in yaml}
        assert len(state.past.of_run(first, KEY)) == 1, "the newest of a path alone"
        brought = state.past.last_here(KEY, "sub/sync.yaml")
        assert brought is not None
        assert brought.content == "md5:0"
        state.examine()
        assert state.repaired is None


def test_the_last_run_of_each_project_stays(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        gone = write(state, NOW - timedelta(days=501), keys=(OTHER,))
        last = write(state, NOW - timedelta(days=500), keys=(OTHER,))
        write(state, NOW)
        thin(state, tmp_path, KEEP)
        assert gone not in ids(state)
        assert last in ids(state)
        assert state.last_exits() == {KEY: 0, OTHER: 0}


def test_a_killed_run_stays_until_every_project_has_converged_since(tmp_path: Path) -> None:
    with State.open(tmp_path) as state:
        at = NOW - timedelta(days=500)
        write(state, at - timedelta(hours=1))
        killed = f"{at:%Y%m%dT%H%M%SZ}-99"
        started = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        state.begin_run(Run(killed, "apply", started, "", "d", "s", "", -1, ()))
        thin(state, tmp_path, KEEP)
        assert killed in state.past.unfinished(KEY)
        write(state, NOW)
        old_runs.prune(manifest_of(KEEP), state, setup_of(tmp_path), NOW)
        assert killed not in ids(state)


def test_the_runs_of_a_project_that_another_manifest_syncs_are_left_to_that_one(
    tmp_path: Path,
) -> None:
    with State.open(tmp_path) as state:
        old = write(state, NOW - timedelta(days=500), keys=(KEY, OTHER))
        write(state, NOW - timedelta(hours=1), keys=(KEY, OTHER))
        gone = old_runs.prune(manifest_of(KEEP), state, setup_of(tmp_path), NOW)
        assert (gone.records, gone.runs) == (1, 0)
        run = state.run(old)
        assert run is not None
        assert [project.key for project in run.projects] == [OTHER]


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (KeepHistory(None, None), 4),
        (KeepHistory(None, 0.0), 4),
        (KeepHistory(86400.0, None), 3),
        (KeepHistory(0.0, 0.0), 1),
    ],
)
def test_null_keeps_for_ever(tmp_path: Path, keep: KeepHistory, left: int) -> None:
    with State.open(tmp_path) as state:
        for days, hours in ((9000, 2), (9000, 1), (400, 0), (0, 0)):
            write(state, NOW - timedelta(days=days, hours=hours))
        thin(state, tmp_path, keep)
        assert len(ids(state)) == left


def test_the_logs_of_runs_that_went_go_and_no_other_file(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    with State.open(tmp_path) as state:
        old, kept = write(state, NOW - timedelta(days=500)), write(state, NOW)
        for name in (old, kept):
            (logs / f"{name}.log").write_text("x")
            (logs / f"{name}.rclone.log").write_text("x")
        (logs / "mine.txt").write_text("x")
        old_runs.prune(manifest_of(KEEP), state, setup_of(tmp_path), NOW)
    assert {p.name for p in logs.iterdir()} == {f"{kept}.log", f"{kept}.rclone.log", "mine.txt"}


def test_one_run_does_a_bounded_part_and_the_next_ones_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_runs, "_A_RUN", 7)
    with State.open(tmp_path) as state:
        for n in range(40):
            write(state, NOW - timedelta(days=400, minutes=n))
        last = write(state, NOW)
        old_runs.after_run(manifest_of(KEEP), state, setup_of(tmp_path), NOW)
        assert sum(len(run.projects) for run in state.runs(limit=100)) == 41 - 7
        thin(state, tmp_path, KEEP)
        assert ids(state) == [last]


def test_the_file_shrinks_also_one_that_an_older_version_made(tmp_path: Path) -> None:
    for number, able in enumerate((2, 0)):
        folder = tmp_path / str(number)
        with State.open(folder) as state:
            for n in range(300):
                write(state, NOW - timedelta(days=400, minutes=n), actions=MOVED * 10)
        with sqlite3.connect(folder / database.NAME, isolation_level=None) as connection:
            connection.execute(f"PRAGMA auto_vacuum = {able}")
            connection.execute("VACUUM")
        connection.close()
        before = (folder / database.NAME).stat().st_size
        with State.open(folder) as state:
            write(state, NOW)
            gone = old_runs.prune(manifest_of(KEEP), state, setup_of(folder), NOW)
        assert gone.runs == 300
        assert (folder / database.NAME).stat().st_size < before / 2


RECORD = st.builds(
    Record,
    st.builds(
        "{}T{:02}0000Z-0{}".format,
        st.sampled_from(("20250101", "20250601", "20260601")),
        st.integers(0, 23),
        st.integers(0, 9),
    ),
    st.sampled_from("abc"),
    st.booleans(),
)


@settings(max_examples=300)
@given(st.lists(RECORD, unique_by=lambda r: (r.run, r.key)), st.data())
def test_of_every_day_between_the_edges_each_project_keeps_one(
    records: list[Record], data: st.DataObject
) -> None:
    spared = data.draw(st.sets(st.sampled_from([(r.run, r.key) for r in records] or [("", "")])))
    edges = Edges("20260101", "20250301")
    gone = set(superfluous(records, spared, edges))
    left = [r for r in records if r not in gone]
    assert not [r for r in gone if (r.run, r.key) in spared or r.day >= edges.every]
    for day, key in {(r.day, r.key) for r in records}:
        here = [r for r in left if (r.day, r.key) == (day, key)]
        free = [r for r in here if (r.run, r.key) not in spared]
        if day < edges.none:
            assert not free
        elif day < edges.every:
            assert len(free) <= 1 <= len(here)
            every = [r for r in records if (r.day, r.key) == (day, key)]
            assert any(r.moved for r in here) == any(r.moved for r in every)


def test_records_that_say_nothing_are_condensed_when_an_older_state_is_opened(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    with sqlite3.connect(tmp_path / database.NAME) as old:
        schema.upgrade(old, schema.STEPS[:4])
        body = schema._QUIET_BODY
        told = "run, key, project, status, started, seconds, retries, exit, files, bytes, body"
        rows = [
            (f"20261122T07150{n}Z-0{n}", KEY, "notes", "in-sync", "2026-11-22T07:15:00Z", 0.25)
            for n in range(3)
        ]
        for n, row in enumerate(rows):
            old.execute(
                "INSERT INTO runs VALUES (?, 'apply', ?, ?, 'h', 's', '', 0, NULL)",
                (row[0], row[4], row[4]),
            )
            said = body if n else body.replace('"up":0', '"up":1')
            old.execute(
                f"INSERT INTO run_projects ({told}) VALUES (?,?,?,?,?,?,0,0,3,4,?)",  # noqa: S608
                (*row, said),
            )
    old.close()
    (tmp_path / database.NAME).chmod(0o600)
    with State.open(tmp_path) as state:
        found = [run.projects[0] for run in reversed(state.runs())]
        one = ProjectRun(
            "notes", KEY, Status.IN_SYNC, "2026-11-22T07:15:00Z", 0.25, files=3, bytes=4
        )
        assert found[1:] == [one, one]
        assert found[0].totals.up == 1
        with state._db.reading() as connection:
            assert connection.execute("SELECT count(*) FROM run_projects").fetchone() == (1,)
            assert connection.execute("SELECT count(*) FROM quiet").fetchone() == (2,)
