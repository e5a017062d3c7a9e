"""Runs are taken back on Basic Memory Cloud, over the bucket and over WebDAV."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import standin_server
from cloud_world import CloudWorld
from standin_server import Standin

from bm_sync import past_api
from bm_sync.model.past import Undo
from bm_sync.model.run import ProjectRun, Status


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standin_server.running(tmp_path_factory.mktemp("standin")) as one:
        yield one


@pytest.fixture(params=["ada", "team"])
def world(request: pytest.FixtureRequest, tmp_path: Path, running: Standin) -> CloudWorld:
    """Return ada's machine: the bucket of her own workspace, or WebDAV to that of a team."""
    workspace: str = request.param
    running.admin("add-project", workspace=workspace, name="notes")
    return CloudWorld(
        tmp_path / "home",
        running,
        remote={"workspace": workspace},
        policy={"guards": {"max_delete": {"percent": 100}}},
    )


def remote(world: CloudWorld) -> dict[str, str]:
    """Return what others see of the project."""
    found = world.cloud.files("notes", str(world.remote["workspace"]))
    return {p: c.decode() for p, c in found.items() if not p.startswith(".bm-sync/")}


def undone(world: CloudWorld) -> ProjectRun:
    """Take the last run back; both sides are equal then, and an apply has nothing to do."""
    done = asyncio.run(past_api.undo(world.manifest(), Undo(), world.setup)).run
    assert done is not None
    run = done.projects[0]
    missed = [a for a in run.actions if a.outcome != "done"]
    assert run.exit == 0, (run.message, run.problems, run.stops, missed)
    assert world.texts() == remote(world)
    assert world.apply().status is Status.IN_SYNC
    return run


def test_a_run_is_taken_back_and_brought_again(world: CloudWorld) -> None:
    for name in ("a.md", "d/b c.md", "gone.md"):
        world.write(f"notes/{name}")
    assert world.apply().exit == 0
    before = world.texts()
    world.write("notes/a.md", "edited\n")
    world.write("notes/e/new.md")
    (world.folder / "notes/gone.md").unlink()
    (world.folder / "notes/d/b c.md").rename(world.folder / "notes/moved.md")
    assert world.apply().exit == 0
    after = world.texts()
    undone(world)
    assert world.texts() == before
    project = world.manifest().projects[0]
    kept = asyncio.run(past_api.versions(project, "a.md", world.setup))
    assert {v.size for v in kept} >= {len("edited\n"), len(before["a.md"])}
    undone(world)
    assert world.texts() == after
