"""Disks that fill up, may only be read, or go away: told, nothing lost, and a later run goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import servers
from faults.mounts import bound, disk
from pipeline_bench import Bench, everything, texts

from bm_sync import api
from bm_sync.errors import StateError
from bm_sync.model.plan import Guard
from bm_sync.model.report import Selection
from bm_sync.model.run import ActionEnded, Event, Outcome, ProjectRun, Status

HALF = "x" * 600_000
QUICK = {"retry": {"attempts": 2, "max_wait": "0.1s"}}
NO_ROOM = ("o space left on device", "file too big for remaining disk space")
ROOM = "check the permissions of the folders of this project, and the room on disk"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, policy=dict(QUICK))


def missed(run: ProjectRun) -> dict[str, str]:
    """Return what was said of every file that was not done."""
    return {a.path: a.detail or "" for a in run.actions if a.outcome is not Outcome.DONE}


@pytest.mark.parametrize("options", ["size=1m", "size=9m,nr_inodes=12"], ids=["bytes", "inodes"])
def test_a_full_disk_here_keeps_what_stood_there_and_the_next_run_goes_on(
    bench: Bench, options: str
) -> None:
    with disk(bench.here, options) as small:
        bench.write("a.md", "edited.md")
        assert bench.apply().exit == 0
        for n in range(8):
            bench.write(f"{n}/big.md", text=f"{n}{HALF}", where=bench.there)
        bench.write("edited.md", text="edited there", where=bench.there)
        run = bench.apply()
        assert run.exit == 1
        assert run.status in (Status.PARTIAL, Status.FAILED)
        said = [run.message or "", *missed(run).values()]
        assert any(words in text for text in said for words in NO_ROOM), said
        whole = {f"{n}{HALF}" for n in range(8)}
        stands = {"text of a.md\n", "text of edited.md\n", "edited there"}
        assert set(texts(bench.here).values()) <= whole | stands
        small.change("size=64m,nr_inodes=1000")
        assert bench.apply().exit == 0
        assert texts(bench.here) == texts(bench.there)
        assert bench.apply().status is Status.IN_SYNC
        assert not list(bench.here.rglob("staging"))


def test_a_quota_on_the_remote_is_that_files_problem(tmp_path: Path) -> None:
    with disk(tmp_path / "served", "size=1m") as small, servers.serve_webdav(small.at) as server:
        options = {**dict(server.options), "pass": {"env": "SECRET"}}
        remote = {"type": "webdav", "options": options, "root": "w"}
        bench = Bench(tmp_path / "world", remote=remote, policy=dict(QUICK))
        bench.setup.env["SECRET"] = servers.PASSWORD
        bench.write("a.md", "edited.md")
        assert bench.apply().exit == 0
        bench.write("big.md", text=HALF * 3)
        bench.write("edited.md", text="edited")
        bench.write("small.md")
        run = bench.apply()
        assert (run.exit, run.status) == (1, Status.PARTIAL)
        assert missed(run).keys() == {"big.md"}
        there = texts(small.at / "w" / "notes")
        assert there == {n: t for n, t in texts(bench.here).items() if n != "big.md"}
        small.change("size=16m")
        assert bench.apply().exit == 0
        assert texts(small.at / "w" / "notes") == texts(bench.here)


@pytest.mark.parametrize("side", ["here", "there"])
def test_a_disk_that_may_only_be_read_fails_with_its_reason_and_goes_on_when_it_may_be_written(
    bench: Bench, side: str
) -> None:
    with disk(bench.here if side == "here" else bench.folder / "cloud", "size=4m") as small:
        other = bench.there if side == "here" else bench.here
        bench.write("a.md", "gone.md", "kept.md")
        assert bench.apply().exit == 0
        bench.write("a.md", text="edited", where=other)
        bench.write("new.md", where=other)
        (other / "gone.md").unlink()
        small.change("ro")
        before = everything(small.at)
        run = bench.apply()
        assert (run.exit, run.status) == (1, Status.FAILED)
        assert run.message == "a folder of this machine cannot be used: Read-only file system"
        assert run.hint == ROOM
        assert everything(small.at) == before
        assert {a.outcome for a in run.actions} == {Outcome.NOT_REACHED}
        small.change("rw")
        assert bench.apply().exit == 0
        assert texts(bench.here) == texts(bench.there)
        assert sorted(texts(bench.here)) == ["a.md", "kept.md", "new.md"]


@pytest.mark.parametrize("guarded", [Guard.DEVICE, Guard.EMPTY_SIDE])
def test_a_disk_that_is_not_mounted_stops_the_run_until_it_is_back(
    bench: Bench, guarded: Guard
) -> None:
    away = bench.folder / "disk"
    with disk(away, "size=4m"):
        with bound(away, bench.here):
            bench.write("a.md", "b.md", "c.md")
            assert bench.apply().exit == 0
        assert list(bench.here.iterdir()) == []
        if guarded is Guard.DEVICE:
            bench.write("b.md", "c.md", "left behind.md")
        before = everything(bench.there), everything(bench.here)
        run = bench.apply()
        missing = guarded is Guard.EMPTY_SIDE
        assert (run.exit, run.status) == (3, Status.SIDE_MISSING if missing else Status.STOPPED)
        assert guarded in [s.guard for s in run.stops]
        assert (everything(bench.there), everything(bench.here)) == before
        for left in bench.here.iterdir():
            left.unlink()
        with bound(away, bench.here):
            assert bench.apply().status is Status.IN_SYNC


def test_a_state_that_cannot_be_written_stops_before_the_first_byte_moves(bench: Bench) -> None:
    with disk(bench.state, "size=1m") as small:
        small.at.chmod(0o700)
        bench.write("a.md")
        assert bench.apply().exit == 0
        bench.write("b.md")
        before = everything(bench.there)
        filler = small.fill()
        with pytest.raises(StateError, match=r"no space left|No space left"):
            bench.apply()
        assert everything(bench.there) == before
        filler.unlink()
        assert bench.apply().exit == 0
        assert texts(bench.here) == texts(bench.there)


def test_a_state_whose_disk_fills_up_in_mid_run_forgets_what_was_done_and_learns_it_again(
    bench: Bench,
) -> None:
    with disk(bench.state, "size=1m") as small:
        small.at.chmod(0o700)
        bench.write("a.md", "b.md", "gone.md")
        assert bench.apply().exit == 0
        bench.write("a.md", text="edited here")
        bench.write("b.md", text="edited there", where=bench.there)
        bench.write("new.md")
        (bench.here / "gone.md").unlink()

        def fill(event: Event) -> None:
            if isinstance(event, ActionEnded):
                small.fill()

        applying = api.apply(bench.manifest(), Selection(), bench.setup, on_event=fill)
        with pytest.raises(StateError, match="no space left"):
            asyncio.run(applying)
        (small.at / "filler").unlink()
        assert bench.apply().exit == 0
        assert texts(bench.here) == texts(bench.there)
        assert texts(bench.here) == {
            "a.md": "edited here",
            "b.md": "edited there",
            "new.md": "text of new.md\n",
        }
        assert bench.apply().status is Status.IN_SYNC
