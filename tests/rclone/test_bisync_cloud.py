"""`engine: bisync` over Basic Memory Cloud, against the stand-in of the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import standin_server
from cloud_world import CloudWorld
from standin_server import Standin

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
