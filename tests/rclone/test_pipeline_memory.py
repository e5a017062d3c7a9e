"""What is remembered between runs, and what it decides: filters, hashes, devices, saved plans."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from pipeline_bench import Bench, everything, texts

from bm_sync.engine import contents, disks
from bm_sync.engine.jail import Jail
from bm_sync.errors import StalePlanError
from bm_sync.model.plan import Accept, Guard
from bm_sync.model.run import Outcome, Status
from bm_sync.model.tree import Disk, FileStamp, Side


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_file_deleted_while_it_was_excluded_stays_deleted(bench: Bench) -> None:
    bench.write("a.md", "draft.txt")
    bench.apply()
    bench.exclude = ("*.txt",)
    assert bench.planned().filter_change.leaves == ("draft.txt",)
    assert bench.apply().status is Status.IN_SYNC
    (bench.here / "draft.txt").unlink()
    assert bench.apply().status is Status.IN_SYNC
    assert "draft.txt" in texts(bench.there), "an excluded file is not touched"
    bench.exclude = ()
    done = bench.apply()
    assert "draft.txt" not in texts(bench.there)
    assert "draft.txt" not in texts(bench.here)
    assert bench.kept(done) == {"draft.txt": "text of draft.txt\n"}


def test_a_file_edited_while_it_was_excluded_is_an_edit_when_it_returns(bench: Bench) -> None:
    bench.write("a.md", "draft.txt")
    bench.apply()
    bench.exclude = ("*.txt",)
    bench.apply()
    bench.write("draft.txt", text="edited", where=bench.there)
    bench.exclude = ()
    done = bench.apply()
    assert texts(bench.here)["draft.txt"] == "edited"
    assert not done.clashes


def test_hiding_most_of_a_project_is_no_mass_deletion(bench: Bench) -> None:
    bench.write("a.md", *(f"{n}.txt" for n in range(30)))
    bench.apply()
    bench.exclude = ("*.txt",)
    assert bench.apply().exit == 0
    assert len(texts(bench.here)) == len(texts(bench.there)) == 31


def test_a_local_folder_on_another_device_stops_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.md", "b.md")
    bench.apply()
    bench.write("a.md", text="edited")
    monkeypatch.setattr(disks, "_disk", lambda *_: Disk(("uuid:4711", "4711")))
    before = everything(bench.here), everything(bench.there)
    done = bench.apply()
    assert (done.status, done.exit) == (Status.STOPPED, 3)
    assert [(s.guard, s.side) for s in done.stops] == [(Guard.DEVICE, side) for side in Side]
    assert (everything(bench.here), everything(bench.there)) == before
    assert bench.apply(Accept(device=True)).exit == 0
    assert bench.apply().exit == 0, "the new device is known now"


@pytest.mark.parametrize("what", ["emptied", "missing", "file", "link"])
def test_a_local_root_that_is_not_what_it_was_stops_and_a_plain_run_goes_on_later(
    bench: Bench, what: str
) -> None:
    bench.write("a.md", "b.md", "d/c.md")
    bench.apply()
    away = bench.folder / "away"
    bench.here.rename(away)
    if what == "emptied":
        bench.here.mkdir()
    elif what == "file":
        bench.here.write_text("a file")
    elif what == "link":
        bench.here.symlink_to(away)
    there, here = everything(bench.there), everything(bench.folder / "away")
    done = bench.apply()
    gone = what in {"missing", "emptied"}
    assert (done.status, done.exit) == (Status.SIDE_MISSING if gone else Status.STOPPED, 3), done
    assert (everything(bench.there), everything(bench.folder / "away")) == (there, here)
    if what == "emptied":
        bench.here.rmdir()
    elif what != "missing":
        bench.here.unlink()
    away.rename(bench.here)
    assert bench.apply().status is Status.IN_SYNC


def test_an_emptied_folder_remote_stops_until_it_is_back(bench: Bench) -> None:
    bench.write("a.md", "b.md")
    bench.apply()
    bench.there.rename(bench.folder / "away")
    assert bench.apply().exit == 3
    assert sorted(texts(bench.here)) == ["a.md", "b.md"]
    bench.there.mkdir()
    assert bench.apply().exit == 3
    bench.there.rmdir()
    (bench.folder / "away").rename(bench.there)
    assert bench.apply().status is Status.IN_SYNC


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every file whose content is read to be hashed."""
    read: list[str] = []
    real = contents.digest

    async def digest(jail: Jail, path: str, algorithm: str) -> tuple[FileStamp, str] | None:
        read.append(path)
        return await real(jail, path, algorithm)

    monkeypatch.setattr(contents, "digest", digest)
    return read


def test_a_waiting_conflict_is_hashed_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.policy = {"conflict": {"winner": "stop"}}
    bench.write("a.md", text="here ")
    bench.write("a.md", text="there", where=bench.there)
    read = counted(monkeypatch)
    assert bench.apply().status is Status.WAITING
    assert sorted(read) == ["a.md", "a.md"]
    read.clear()
    assert bench.apply().status is Status.WAITING
    assert bench.planned().clashes
    assert read == [], "both versions were hashed before"
    bench.write("a.md", text="HERE ")
    bench.planned()
    assert read == ["a.md"], "only the side that moved is read"


def test_a_touched_file_is_read_once_and_copied_never(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write("a.md", "b.md")
    bench.apply()
    os.utime(bench.here / "a.md", (1, 1))
    read = counted(monkeypatch)
    done = bench.apply()
    assert (done.status, read) == (Status.IN_SYNC, ["a.md"])
    read.clear()
    assert bench.apply().status is Status.IN_SYNC
    assert read == []


def test_a_saved_plan_that_fits_is_carried_out_exactly(bench: Bench) -> None:
    bench.write("a.md", "d/b.md")
    saved = bench.plan()
    done = bench.apply_saved(saved)
    assert [(a.kind, a.path) for a in done.actions] == [
        (a.kind, a.path) for a in saved.projects[0].moves
    ]
    assert {a.outcome for a in done.actions} == {Outcome.DONE}
    assert texts(bench.there) == texts(bench.here)


@pytest.mark.parametrize("change", ["edit", "delete", "come", "manifest"])
def test_a_stale_plan_moves_nothing(bench: Bench, change: str) -> None:
    bench.write("a.md", "b.md")
    bench.apply()
    bench.write("a.md", text="edited")
    bench.write("c.md")
    saved = bench.plan()
    if change == "edit":
        bench.write("a.md", text="edited once more")
    elif change == "delete":
        (bench.here / "c.md").unlink()
    elif change == "come":
        bench.write("c.md", text="theirs", where=bench.there)
    else:
        bench.exclude = ("*.txt",)
    before = everything(bench.here), everything(bench.there)
    with pytest.raises(StalePlanError):
        bench.apply_saved(saved)
    assert (everything(bench.here), everything(bench.there)) == before


def test_a_lost_state_is_a_union_that_loses_and_returns_nothing(bench: Bench) -> None:
    bench.write("a.md", "b.md")
    bench.apply()
    bench.write("a.md", text="edited here")
    bench.write("a.md", text="edited there", where=bench.there)
    bench.write("c.md", where=bench.there)
    shutil.rmtree(bench.state)
    done = bench.apply()
    assert done.exit == 0
    assert texts(bench.here) == texts(bench.there)
    assert sorted(texts(bench.here).values()) == sorted(
        ["edited here", "edited there", "text of b.md\n", "text of c.md\n"]
    )
    assert bench.apply().status is Status.IN_SYNC
