"""Disks that are away for a run, come back as another device, or are other ones."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from filesystems.kinds import detach, image, looped, mounted
from pipeline_bench import Bench, everything, texts

from bm_sync import past_api
from bm_sync.model.past import Undo
from bm_sync.model.plan import Accept, Guard
from bm_sync.model.run import ProjectRun, Status
from bm_sync.model.tree import ProblemKind, Side

INSIDE = tuple(f"private/p{n}.md" for n in range(5))
NOTES = tuple(f"n{n}.md" for n in range(3))
ALL = (*INSIDE, *NOTES)
MODES: dict[str, dict[str, object]] = {
    "two-way": {},
    "mirror up": {"mode": "mirror", "direction": "up"},
    "mirror down": {"mode": "mirror", "direction": "down"},
    "push": {"mode": "push"},
    "pull": {"mode": "pull"},
    "bisync": {"engine": "bisync"},
}


@contextlib.contextmanager
def shown(what: Path, at: Path) -> Iterator[None]:
    """Show a folder at a place in a project."""
    with mounted(at, "mount", "--bind", what):
        yield


def waiting(run: ProjectRun) -> tuple[str, Side]:
    """Return the folder that waits for its disk."""
    (problem,) = run.problems
    assert problem.kind is ProblemKind.DEVICE
    assert (run.exit, run.status) == (3, Status.WAITING)
    return problem.path, problem.side


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", Side)
def test_a_folder_that_is_not_mounted_for_a_run_waits_and_all_else_converges(
    tmp_path_factory: pytest.TempPathFactory, mode: str, side: Side
) -> None:
    tmp_path = tmp_path_factory.mktemp("d")  # bisync takes no long paths
    bench = Bench(tmp_path, policy=MODES[mode])
    away, at = tmp_path / "away", (bench.here if side is Side.LOCAL else bench.there) / "private"
    away.mkdir()
    downward = mode in {"mirror down", "pull"}
    source, target = (bench.there, bench.here) if downward else (bench.here, bench.there)
    with shown(away, at):
        bench.write(*ALL, where=source)
        assert bench.apply().exit == 0
        assert sorted(texts(target)) == sorted(ALL)
    before = everything(at), everything(bench.there if side is Side.LOCAL else bench.here)
    planned = bench.planned()
    assert [p.path for p in planned.problems] == ["private"]
    assert planned.actions == ()
    assert waiting(bench.apply()) == ("private", side)
    assert (everything(at), everything(bench.there if side is Side.LOCAL else bench.here)) == before
    bench.write("n0.md", text="edited meanwhile", where=source)
    bench.write("private/new.md", where=(source if source not in at.parents else tmp_path / "x"))
    assert waiting(bench.apply()) == ("private", side)
    assert (target / "n0.md").read_text() == "edited meanwhile"
    assert list(at.iterdir()) == []
    with shown(away, at):
        assert bench.apply().exit == 0
        assert texts(source) == texts(target)
        assert set(ALL) <= texts(source).keys()
        assert bench.apply().status is Status.IN_SYNC


def test_an_undo_leaves_a_folder_alone_whose_disk_is_away(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    away, at = tmp_path / "away", bench.here / "private"
    away.mkdir()
    with shown(away, at):
        bench.write(*ALL)
        assert bench.apply().exit == 0
        bench.write("n0.md", "private/p0.md", text="edited")
        assert bench.apply().exit == 0
    done = asyncio.run(past_api.undo(bench.manifest(), Undo(), bench.setup)).run
    assert done is not None
    assert (bench.there / "n0.md").read_text() == "text of n0.md\n"
    assert (bench.there / "private/p0.md").read_text() == "edited"
    assert list(at.iterdir()) == []
    assert waiting(bench.apply()) == ("private", Side.LOCAL)
    with shown(away, at):
        assert bench.apply().exit == 0
        assert texts(bench.here) == texts(bench.there)
        assert set(texts(bench.here)) == set(ALL)


def test_a_folder_that_is_given_up_is_let_through_by_name_and_not_asked_about_again(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, policy={"guards": {"max_delete": {"percent": 100}}})
    away, at = tmp_path / "away", bench.here / "private"
    away.mkdir()
    with shown(away, at):
        bench.write(*ALL)
        assert bench.apply().exit == 0
    waiting(bench.apply(Accept(devices=("another",))))
    assert bench.apply(Accept(devices=("private",))).exit == 0
    assert set(texts(bench.there)) == set(NOTES)
    assert bench.apply().status is Status.IN_SYNC
    bench.write("private/fresh.md")
    assert bench.apply().exit == 0


def test_a_disk_that_is_mounted_over_a_folder_of_the_project_hides_no_file_for_good(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    bench.write(*ALL)
    assert bench.apply().exit == 0
    with mounted(bench.here / "private", "mount", "-t", "tmpfs", "tmpfs"):
        assert waiting(bench.apply()) == ("private", Side.LOCAL)
        assert set(texts(bench.there)) == set(ALL)
    assert bench.apply().status is Status.IN_SYNC


KINDS = {
    "xfs": ((320, "mkfs.xfs", "-q"), ("mount", "-t", "xfs")),
    "exfat": ((32, "mkfs.exfat"), ("mount.exfat-fuse",)),
    "ntfs": ((32, "mkfs.ntfs", "-Q", "-F", "-q"), ("ntfs-3g",)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", Side)
def test_a_disk_that_comes_back_as_another_device_is_known_whether_anything_changed_or_not(
    tmp_path: Path, kind: str, side: Side
) -> None:
    (size, *make), mount = KINDS[kind]
    bench = Bench(tmp_path)
    at = bench.here if side is Side.LOCAL else bench.folder / "cloud"
    file = tmp_path / "disk"
    with image(file, int(str(size)), *map(str, make)) as device, mounted(at, *mount, device):
        bench.write(*NOTES)
        assert bench.apply().exit == 0
        numbers = [at.stat().st_dev]
    (tmp_path / "other").write_bytes(bytes(1 << 20))
    with looped(tmp_path / "other"), looped(file) as device:
        for edits in ((), ("n0.md",)):
            with mounted(at, *mount, device):
                numbers.append(at.stat().st_dev)
                bench.write(*edits, text="edited")
                run = bench.apply()
                assert (run.exit, run.stops) == (0, ()), run
                assert texts(bench.there) == texts(bench.here)
    assert (bench.there.exists() and texts(bench.there)) or side is Side.REMOTE


@pytest.mark.parametrize("side", Side)
def test_another_disk_stops_whether_anything_changed_or_not_and_accepting_it_lasts(
    tmp_path: Path, side: Side
) -> None:
    (size, *make), mount = KINDS["xfs"]
    bench = Bench(tmp_path)
    at = bench.here if side is Side.LOCAL else bench.folder / "cloud"
    one, two = tmp_path / "one", tmp_path / "two"
    with image(one, int(str(size)), *map(str, make)) as device, mounted(at, *mount, device):
        bench.write(*NOTES)
        assert bench.apply().exit == 0
        (tmp_path / "copy").mkdir()
        keep = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in at.rglob("*.md")}
    with image(two, int(str(size)), *map(str, make)) as device, mounted(at, *mount, device):
        for path, (data, mtime) in keep.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, ns=(mtime, mtime))
        for edits in ((), ("n0.md",)):
            bench.write(*edits, text="edited")
            run = bench.apply()
            assert (run.exit, run.status) == (3, Status.STOPPED)
            assert [(s.guard, s.side, s.accept) for s in run.stops] == [
                (Guard.DEVICE, side, "device")
            ]
        assert bench.apply(Accept(device=True)).exit == 0
        assert texts(bench.there) == texts(bench.here)
        bench.write("n1.md", text="edited")
        assert bench.apply().exit == 0
        assert bench.apply().status is Status.IN_SYNC


def test_a_run_that_only_accepts_another_disk_remembers_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write(*NOTES)
    assert bench.apply().exit == 0
    kept = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in bench.here.iterdir()}
    (size, *make), mount = KINDS["xfs"]
    with (
        image(tmp_path / "disk", int(str(size)), *map(str, make)) as device,
        mounted(bench.here, *mount, device),
    ):
        for name, (data, mtime) in kept.items():
            (bench.here / name).write_bytes(data)
            os.utime(bench.here / name, ns=(mtime, mtime))
        assert bench.apply().status is Status.STOPPED
        assert bench.apply(Accept(device=True)).status is Status.IN_SYNC
        assert bench.apply().status is Status.IN_SYNC
    detach(bench.here)
