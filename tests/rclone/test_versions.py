"""Kept versions: they are listed, brought back, given as bytes, and go when the policy says so."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from pipeline_bench import Bench, texts
from servers import REMEMBERED_S
from two_machines import EVERYWHERE, SERVERS, Machine, converged, quiet, remote_of

from bm_sync import past_api
from bm_sync.errors import UsageError
from bm_sync.model.config import KeepVersions, Project
from bm_sync.model.past import KeptVersion
from bm_sync.model.tree import Side
from bm_sync.structs import replace


@pytest.fixture(params=EVERYWHERE)
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    kind: str = request.param
    stale_s = REMEMBERED_S if kind in SERVERS else 0.0
    made = Machine(tmp_path / "one", remote_of(request, kind, tmp_path), stale_s=stale_s)
    made.folder.mkdir(parents=True)
    return made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def kept(machine: Machine | Bench, path: str) -> tuple[KeptVersion, ...]:
    """Return the kept versions of a file."""
    return asyncio.run(past_api.versions(project(machine), path, machine.setup))


def project(machine: Machine | Bench) -> Project:
    """Return the one declared project."""
    manifest = machine.manifest if isinstance(machine, Machine) else machine.manifest()
    return manifest.projects[0]


def test_versions_of_both_sides_are_listed_and_one_is_brought_back(
    one: Machine, tmp_path: Path
) -> None:
    two = Machine(one.home.parent / "two", one.remote, stale_s=one.stale_s)
    two.folder.mkdir(parents=True)
    one.write("d/a b.md", "first")
    converged(one.apply())
    converged(two.apply())
    one.write("d/a b.md", "second, longer")
    converged(one.apply())
    converged(two.apply())
    two.write("d/a b.md", "third, still longer")
    converged(two.apply())
    converged(one.apply())
    found = kept(one, "d/a b.md")
    assert sorted((v.side, v.size) for v in found) == [
        (Side.LOCAL, len("second, longer")),
        (Side.REMOTE, len("first")),
        (Side.REMOTE, len("second, longer")),
    ]
    assert all(v.until.startswith("20") and v.label.endswith("/d/a b.md") for v in found)
    (first,) = (v for v in found if v.size == len("first"))
    target = tmp_path / "copy"
    asyncio.run(past_api.fetch_version(project(one), first, target, one.setup))
    assert target.read_bytes() == b"first"
    applied = asyncio.run(past_api.restore(one.manifest, project(one), first, one.setup))
    assert applied.run is not None
    converged(applied.run.projects[0])
    assert one.files() == {"d/a b.md": b"first"}
    quiet(one)
    converged(two.apply())
    assert two.files() == {"d/a b.md": b"first"}


def test_a_version_is_chosen_by_its_run_or_by_a_time() -> None:
    from bm_sync.engine.versions import chosen

    def version(run: str, side: Side = Side.REMOTE) -> KeptVersion:
        until = f"{run[:4]}-{run[4:6]}-{run[6:11]}:{run[11:13]}:{run[13:15]}Z"
        return KeptVersion("notes", "a.md", run, side, until, 1, "place", "label")

    old, new = version("20261101T100000Z-aa"), version("20261103T100000Z-bb")
    assert chosen((new, old), "20261101") is old
    assert chosen((new, old), "2026-11-01T09:59:00Z") is old
    assert chosen((new, old), "2026-11-02T00:00:00+00:00") is new
    for at, what in (
        ("2026-11-04T00:00:00Z", "has not been replaced since"),
        ("zz", "no version was kept by run"),
        ("2026", "several runs begin"),
    ):
        with pytest.raises(UsageError, match=what):
            chosen((new, old), at)
    with pytest.raises(UsageError, match="no version of this file is kept"):
        chosen((), "20261101")


def test_a_version_is_never_written_over_a_file(bench: Bench) -> None:
    bench.write("a.md")
    bench.apply()
    bench.write("a.md", text="edited")
    bench.apply()
    (version,) = kept(bench, "a.md")
    target = bench.folder / "there"
    target.write_text("mine")
    with pytest.raises(UsageError, match="not overwritten"):
        asyncio.run(past_api.fetch_version(project(bench), version, target, bench.setup))
    assert target.read_text() == "mine"


def test_a_deleted_file_comes_back_on_both_sides(bench: Bench) -> None:
    bench.write("d/a.md", "b.md")
    bench.apply()
    shutil.rmtree(bench.here / "d")
    bench.apply()
    (version,) = kept(bench, "d/a.md")
    applied = asyncio.run(past_api.restore(bench.manifest(), project(bench), version, bench.setup))
    assert applied.run is not None
    assert applied.run.exit == 0
    assert texts(bench.here) == texts(bench.there)
    assert texts(bench.here)["d/a.md"] == "text of d/a.md\n"
    assert not bench.planned().moves


def trash(bench: Bench) -> dict[str, int]:
    """Return what the trash of both sides holds, by its place without the run."""
    homes = (bench.here, bench.there.parent)
    found = [p for home in homes for p in (home / ".bm-sync/trash").rglob("*") if p.is_file()]
    return {p.name: p.stat().st_size for p in found}


def edited(bench: Bench, name: str, size: int) -> None:
    """Replace a version of so many bytes on the remote."""
    bench.write(name, text="x" * size)
    bench.apply()
    bench.write(name, text="short")
    bench.apply()


def test_the_oldest_versions_go_when_there_are_too_many(bench: Bench) -> None:
    bench.policy = {"keep_versions": {"at_most": "1K"}}
    for number in range(4):
        edited(bench, f"{number}.md", 400)
    assert trash(bench).keys() <= {"2.md", "3.md"}
    assert "3.md" in trash(bench)


def test_versions_that_are_kept_long_enough_go_after_the_next_run(one: Machine) -> None:
    one.write("a.md", "first")
    converged(one.apply())
    one.write("a.md", "second")
    converged(one.apply())
    assert len(kept(one, "a.md")) == 1
    quiet(one)
    assert len(kept(one, "a.md")) == 1
    for_no_time = KeepVersions(for_s=-3600.0)
    strict = replace(one, policy=replace(one.policy, keep_versions=for_no_time))
    converged(strict.apply())
    assert kept(one, "a.md") == ()
    assert one.files() == {"a.md": b"second"}
    assert one.remote_names() == ["a.md"]
    quiet(one)


def test_prune_finds_what_killed_runs_left_and_spares_what_is_young(one: Machine) -> None:
    one.write("a.md", "first")
    converged(one.apply())
    one.write("a.md", "second")
    converged(one.apply())
    left = one.folder / ".bm-sync/trash/20200101T000000Z-dead/notes/a.md"
    left.parent.mkdir(parents=True)
    left.write_text("left by a killed run")
    old = asyncio.run(past_api.old_versions([project(one)], one.setup))
    assert [(o.run, o.side, o.files, o.bytes) for o in old] == [
        ("20200101T000000Z-dead", Side.LOCAL, 1, len("left by a killed run"))
    ]
    assert left.exists()
    gone = asyncio.run(past_api.prune_versions([project(one)], old, one.setup))
    assert gone == old
    assert not left.exists()
    assert len(kept(one, "a.md")) == 1


def test_an_undo_says_which_versions_are_kept_no_more(bench: Bench) -> None:
    from bm_sync.model.past import Undo

    bench.write("a.md", "b.md")
    bench.apply()
    bench.write("a.md", "b.md", text="edited")
    bench.apply()
    shutil.rmtree(bench.there.parent / ".bm-sync")
    done = asyncio.run(past_api.undo(bench.manifest(), Undo(), bench.setup)).run
    assert done is not None
    assert {p.what for p in done.projects[0].problems} == {
        "the version before is not kept any more"
    }
    assert texts(bench.here) == {"a.md": "edited", "b.md": "edited"}


def test_what_the_trash_keeps_is_no_file_of_the_project(one: Machine) -> None:
    for number in range(4):
        one.write(f"{number}.md", "first")
    converged(one.apply())
    for number in range(1, 4):
        (one.folder / f"{number}.md").unlink()
    one.write("0.md", "second")
    converged(one.apply())
    (deleted,) = (v for v in kept(one, "1.md"))
    assert deleted.side is Side.REMOTE
    plan = one.plan()
    assert (plan.files_local, plan.files_remote, plan.moves) == (1, 1, ())
    assert one.remote_names() == ["0.md"]
    two = Machine(one.home.parent / "two", one.remote, stale_s=one.stale_s)
    two.folder.mkdir(parents=True)
    converged(two.apply())
    assert two.files() == {"0.md": b"second"}
