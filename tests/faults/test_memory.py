"""A state that is damaged, old, or of another time: noticed, told, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_bench import Bench, everything, texts

from bm_sync import api
from bm_sync.errors import StateError
from bm_sync.model.report import Applied, Selection
from bm_sync.model.run import Status
from bm_sync.model.tree import Agreed, FileStamp
from bm_sync.state.store import State
from bm_sync.state.values import Change

KEY = "a" * 64
FIRST = Agreed("md5:aa", FileStamp(1, 2, 3, 4), FileStamp(1, 2, 3, 5))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    off = {"percent": 100}
    return Bench(tmp_path, policy={"guards": {"max_delete": off, "max_overwrite": off}})


def apply(bench: Bench) -> Applied:
    """Apply and return all that is told of it."""
    return asyncio.run(api.apply(bench.manifest(), Selection(), bench.setup))


def changed_everywhere(bench: Bench) -> set[str]:
    """Sync, then change both sides in every way; return every version that somebody wrote."""
    bench.write("a.md", "b.md", "both.md", "gone-here.md", "gone-there.md", "calm.md")
    assert bench.apply().exit == 0
    bench.write("a.md", text="a edited here")
    bench.write("b.md", text="b edited there", where=bench.there)
    bench.write("both.md", text="both edited here")
    bench.write("both.md", text="both edited there", where=bench.there)
    bench.write("new.md")
    (bench.here / "gone-here.md").unlink()
    (bench.there / "gone-there.md").unlink()
    return {*texts(bench.here).values(), *texts(bench.there).values()}


def zeroed(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def truncated(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def scribbled(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(os.urandom(file.stat().st_size - 4096))


def removed(file: Path) -> None:
    file.unlink()


def kept_versions(bench: Bench) -> set[str]:
    """Return every text on both sides, the trash included."""
    roots = (bench.here, bench.folder / "cloud")
    return {p.read_text() for root in roots for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("damage", [zeroed, truncated, emptied, scribbled, removed])
def test_a_damaged_memory_without_a_copy_is_mended_by_one_plain_run_that_loses_nothing(
    bench: Bench, damage: Callable[[Path], None]
) -> None:
    versions = changed_everywhere(bench)
    (bench.state / "state.db.spare").unlink()
    damage(bench.state / "state.db")
    before = everything(bench.folder)
    plan = bench.plan()
    assert everything(bench.folder) == before, "a plan changes nothing, whatever it finds"
    assert plan.projects[0].failure is None
    done = apply(bench)
    assert done.run is not None
    assert done.run.exit == 0
    if damage is removed:
        assert done.notice is None
    else:
        assert "state.db was damaged and is now state.db.damaged-" in (done.notice or "")
    assert texts(bench.here) == texts(bench.there)
    assert versions <= kept_versions(bench)
    again = apply(bench)
    assert again.notice is None
    assert again.run is not None
    assert again.run.projects[0].status is Status.IN_SYNC


def test_a_damaged_memory_with_a_copy_beside_it_changes_nothing_of_what_a_run_does(
    bench: Bench,
) -> None:
    changed_everywhere(bench)
    planned = bench.planned()
    zeroed(bench.state / "state.db")
    assert bench.planned().actions == planned.actions
    done = apply(bench)
    assert done.run is not None
    assert done.run.exit == 0
    assert "; its last good copy is used" in (done.notice or "")
    assert {"gone-here.md", "gone-there.md"}.isdisjoint(texts(bench.here))
    assert texts(bench.here) == texts(bench.there)


def test_a_memory_of_last_week_loses_nothing(bench: Bench) -> None:
    bench.write("a.md", "calm.md")
    assert bench.apply().exit == 0
    shutil.copytree(bench.state, bench.folder / "last week")
    versions = changed_everywhere(bench)
    assert bench.apply().exit == 0
    bench.write("b.md", text="edited today")
    shutil.rmtree(bench.state)
    (bench.folder / "last week").rename(bench.state)
    assert bench.apply().exit == 0
    assert texts(bench.here) == texts(bench.there)
    assert texts(bench.here)["b.md"] == "edited today"
    assert versions | {"edited today"} <= kept_versions(bench)
    assert bench.apply().status is Status.IN_SYNC


def test_sides_of_last_week_under_a_memory_of_today_lose_nothing(bench: Bench) -> None:
    bench.write("a.md", "b.md")
    assert bench.apply().exit == 0
    old = (
        shutil.copytree(bench.here, bench.folder / "old"),
        shutil.copytree(bench.there, bench.folder / "old there"),
    )
    changed_everywhere(bench)
    assert bench.apply().exit == 0
    for copy, side in zip(old, (bench.here, bench.there), strict=True):
        shutil.rmtree(side)
        Path(copy).rename(side)
    assert bench.apply().exit == 0
    assert texts(bench.here) == texts(bench.there)
    assert {"text of a.md\n", "text of b.md\n"} <= set(texts(bench.here).values())


def test_a_memory_from_the_future_is_refused_with_what_to_do(bench: Bench) -> None:
    changed_everywhere(bench)
    connection = sqlite3.connect(bench.state / "state.db")
    connection.execute("PRAGMA user_version = 4711")
    connection.close()
    before = everything(bench.here), everything(bench.there)
    with pytest.raises(StateError, match="written by a newer bm-sync") as refused:
        bench.apply()
    assert refused.value.exit == 1
    hint = "upgrade bm-sync, or name another directory with --state-dir"
    assert refused.value.hint == hint
    assert (everything(bench.here), everything(bench.there)) == before


_KILLED = """
import os, signal, sys
from pathlib import Path
from bm_sync.model.tree import Agreed, FileStamp
from bm_sync.state import database, baselines
from bm_sync.state.machine import Here
from bm_sync.state.values import Change
db = database.open_for_writing(Path(sys.argv[1]), "x")
agreed = Agreed("md5:bb", FileStamp(9, 9, 9, 9), FileStamp(9, 9, 9, 9))
change = Change("notes", put={f"{n}.md": agreed for n in range(1500)})
with db.writing() as connection:
    connection.execute("PRAGMA cache_size = 2")
    baselines.record(connection, "a" * 64, change, here=Here(None, ""), anew=False)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_journal_that_is_cut_off_never_leaves_a_memory_that_mixes_two_runs(
    tmp_path: Path,
) -> None:
    whole = tmp_path / "whole"
    with State.open(whole, clock=lambda: 0.0, machine=lambda: None) as state:
        state.record(KEY, Change("notes", put={f"{n}.md": FIRST for n in range(1500)}))
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(whole)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (whole / "state.db.spare").unlink()
    length = (whole / "state.db-journal").stat().st_size
    assert length > 50_000, "the kill came too early or too late"
    distrusted = 0
    for cut in (0, 20, 512, 4096, *range(9_000, length, length // 12), length - 1):
        torn = tmp_path / str(cut)
        shutil.copytree(whole, torn)
        os.truncate(torn / "state.db-journal", cut)
        with State.open(torn, clock=lambda: 0.0, machine=lambda: None) as state:
            files = state.project(KEY).baseline.files
            assert set(files.values()) <= {FIRST}, f"cut at {cut}"
            assert len(files) in (0, 1500)
            if not files:
                distrusted += 1
                assert state.repaired is not None
    assert distrusted, "every cut was harmless: cut deeper"
