"""Every mode on WebDAV and SFTP, which list no hashes: what is equal stays, what changed goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
from two_machines import Machine, converged, done, quiet, stamps

from bm_sync.model.config import Compare, Direction, Mode
from bm_sync.model.run import ProjectRun
from bm_sync.structs import replace

KINDS = ("serve_webdav", "serve_sftp")
UP = [(Mode.MIRROR, Direction.UP), (Mode.PUSH, Direction.UP)]
DOWN = [(Mode.MIRROR, Direction.DOWN), (Mode.PULL, Direction.UP)]
FIRST = {"equal.md": "equal", "edited.md": "old", "gone.md": "gone", "sub/deep.md": "deep"}


@pytest.fixture(scope="module", params=KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Server]:
    """Run a server that soon sees what is edited in the folder behind it."""
    serve = getattr(servers, request.param)
    with serve(tmp_path_factory.mktemp(request.param), *servers.FORGETFUL) as found:
        yield found


@pytest.fixture
def world(server: servers.Server, tmp_path: Path) -> tuple[Machine, Path]:
    """Return a machine, and the folder behind the server that holds the project's remote side."""
    assert server.folder is not None
    remote = server.remote(tmp_path.name)
    return Machine(
        tmp_path / "here", remote, stale_s=servers.REMEMBERED_S
    ), server.folder / tmp_path.name / "notes"


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def texts(folder: Path) -> dict[str, str]:
    """Return the files below a folder."""
    return {str(f.relative_to(folder)): f.read_text() for f in folder.rglob("*") if f.is_file()}


def copied(run: ProjectRun) -> list[str]:
    """Return the paths of the files that a run has copied."""
    return [a.path for a in done(run, "copy")]


def test_equal_files_are_adopted_at_the_first_meeting(world: tuple[Machine, Path]) -> None:
    here, there = world
    write(here.folder, FIRST)
    write(there, FIRST)
    os.utime(there / "equal.md", (1, 1))
    before = stamps(here.folder)
    run = converged(here.apply())
    assert run.actions == ()
    assert stamps(here.folder) == before
    quiet(here)


def test_edits_and_deletions_go_both_ways_and_what_was_is_in_the_trash(
    world: tuple[Machine, Path],
) -> None:
    here, there = world
    write(here.folder, FIRST)
    converged(here.apply())
    quiet(here)
    write(here.folder, {"edited.md": "new", "sub/deep.md": "DEEP"})
    (here.folder / "gone.md").unlink()
    run = converged(here.apply())
    after = {"equal.md": "equal", "edited.md": "new", "sub/deep.md": "DEEP"}
    assert texts(there) == after
    trash = there.parent / ".bm-sync/trash"
    assert sorted(texts(trash).values()) == ["deep", "gone", "old"]
    assert all((a.kept or "").startswith("store:") for a in run.actions)
    quiet(here)

    write(there, {"edited.md": "far away", "fresh.md": "fresh"})
    (there / "equal.md").unlink()
    run = converged(here.apply())
    assert texts(there) == {"edited.md": "far away", "fresh.md": "fresh", "sub/deep.md": "DEEP"}
    assert {k: v.decode() for k, v in here.files().items()} == texts(there)
    kept = [Path(a.kept).read_text() for a in run.actions if a.kept]
    assert sorted(kept) == ["equal", "new"]
    quiet(here)


def test_a_touch_on_the_remote_rewrites_no_file_here(world: tuple[Machine, Path]) -> None:
    here, there = world
    write(here.folder, FIRST)
    converged(here.apply())
    before = stamps(here.folder)
    os.utime(there / "equal.md", (1_000_000_000, 1_000_000_000))
    converged(here.apply())
    assert stamps(here.folder) == before
    quiet(here)


def test_an_edit_of_the_same_size_in_the_same_second_is_seen_by_a_full_comparison(
    world: tuple[Machine, Path],
) -> None:
    here, there = world
    write(here.folder, FIRST)
    converged(here.apply())
    known = (there / "edited.md").stat().st_mtime_ns
    write(there, {"edited.md": "OLD"})
    os.utime(there / "edited.md", ns=(known, known))
    full = replace(here, policy=replace(here.policy, compare=Compare.FULL))
    assert copied(converged(full.apply())) == ["edited.md"]
    assert here.files()["edited.md"] == b"OLD"
    quiet(here)


def test_a_conflict_keeps_both_versions_on_both_sides(world: tuple[Machine, Path]) -> None:
    here, there = world
    write(here.folder, FIRST)
    converged(here.apply())
    write(here.folder, {"edited.md": "here, at the end of all times"})
    os.utime(here.folder / "edited.md", (4_000_000_000, 4_000_000_000))
    write(there, {"edited.md": "there"})
    run = converged(here.apply())
    (clash,) = run.clashes
    assert clash.kept is not None
    assert texts(there)["edited.md"] == "here, at the end of all times"
    assert texts(there)[clash.kept] == "there"
    assert {k: v.decode() for k, v in here.files().items()} == texts(there)
    quiet(here)


@pytest.mark.parametrize(("mode", "direction"), UP, ids=["mirror-up", "push"])
def test_one_way_up_never_writes_here(
    world: tuple[Machine, Path], mode: Mode, direction: Direction
) -> None:
    here, there = world[0].having(mode, direction), world[1]
    write(here.folder, FIRST)
    write(there, {"only-there.md": "only there"})
    converged(here.apply())
    extra = {} if mode is Mode.MIRROR else {"only-there.md": "only there"}
    assert texts(there) == FIRST | extra
    quiet(here)
    before = stamps(here.folder)
    write(there, {"sub/deep.md": "changed there", "fresh.md": "fresh"})
    (here.folder / "gone.md").unlink()
    before.pop("gone.md")
    converged(here.apply())
    assert stamps(here.folder) == before
    if mode is Mode.MIRROR:
        assert texts(there) == {k: v for k, v in FIRST.items() if k != "gone.md"}
        kept = texts(there.parent / ".bm-sync/trash").values()
        assert sorted(kept) == ["changed there", "fresh", "gone", "only there"]
    else:
        assert texts(there) == FIRST | extra | {"sub/deep.md": "changed there", "fresh.md": "fresh"}
    quiet(here)


@pytest.mark.parametrize(("mode", "direction"), DOWN, ids=["mirror-down", "pull"])
def test_one_way_down_never_writes_there(
    world: tuple[Machine, Path], mode: Mode, direction: Direction
) -> None:
    here, there = world[0].having(mode, direction), world[1]
    write(there, FIRST)
    write(here.folder, {"only-here.md": "only here"})
    converged(here.apply())
    extra = {} if mode is Mode.MIRROR else {"only-here.md": "only here"}
    assert texts(there) == FIRST
    assert {k: v.decode() for k, v in here.files().items()} == FIRST | extra
    quiet(here)
    write(there, {"edited.md": "new there"})
    (there / "gone.md").unlink()
    before = stamps(there)
    run = converged(here.apply())
    assert stamps(there) == before
    assert copied(run) == ["edited.md"]
    gone = {"gone.md": "gone"} if mode is Mode.PULL else {}
    wanted = FIRST | extra | {"edited.md": "new there"}
    del wanted["gone.md"]
    assert {k: v.decode() for k, v in here.files().items()} == wanted | gone
    quiet(here)
