"""`engine: bisync` over Basic Memory Cloud, against the stand-in of the service."""

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
from bm_sync.model.run import Status

_OPEN = {"max_delete": {"percent": 100}, "max_overwrite": {"percent": 100}}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Standin]:
    with standin_server.running(tmp_path / "standin") as one:
        yield one


@pytest.fixture
def world(tmp_path: Path, cloud: Standin) -> CloudWorld:
    policy: dict[str, object] = {"engine": "bisync", "guards": _OPEN}
    return CloudWorld(tmp_path / "ada", cloud, policy=policy)


def test_a_project_of_the_cloud_is_kept_in_sync_by_bisync(
    world: CloudWorld, cloud: Standin
) -> None:
    for name in ("edited.md", "gone.md", "calm.md", "daily/b c.md"):
        world.write(f"notes/{name}")
    assert world.apply().exit == 0
    assert world.there() == world.texts()
    world.write("notes/edited.md", "edited here, and longer")
    (world.folder / "notes" / "gone.md").unlink()
    cloud.put("notes/from the phone.md", "hello\n")
    done = world.apply()
    assert (done.exit, done.status) == (0, Status.CHANGED), done.message
    assert world.there() == world.texts()
    assert set(world.texts()) == {"edited.md", "calm.md", "daily/b c.md", "from the phone.md"}
    assert cloud.counts()["storage_without_consistency"] == {}, "the header is on every request"
    cloud.take()
    assert world.apply().status is Status.IN_SYNC
    assert cloud.take()["storage"] == {"LIST": 1}


def test_what_bisync_replaced_and_deleted_on_the_cloud_is_taken_back(world: CloudWorld) -> None:
    for name in ("edited.md", "gone.md", "calm.md"):
        world.write(f"notes/{name}")
    assert world.apply().exit == 0
    before = world.texts()
    world.write("notes/edited.md", "edited here, and longer")
    (world.folder / "notes" / "gone.md").unlink()
    changed = world.run()
    plan = asyncio.run(past_api.plan_undo(world.manifest(), Undo(), world.setup))
    assert changed.id in plan.projects[0].notes[0]
    done = asyncio.run(past_api.undo(world.manifest(), Undo(), world.setup)).run
    assert done is not None
    assert done.exit == 0, done.projects[0].problems
    assert world.texts() == before
    assert world.there() == before
    assert world.apply().status is Status.IN_SYNC


def test_a_workspace_that_is_reached_by_webdav_is_refused_with_the_reason(
    world: CloudWorld,
) -> None:
    world.remote = {"transport": "webdav"}
    world.write("notes/a.md")
    plan = world.planned()
    assert plan.failure == "rclone bisync cannot reach this workspace by WebDAV"
    assert plan.failure_hint == "engine: reconcile can"
    assert world.apply().exit == 1
    assert not world.there()
