"""The loop in which histories are played, and ways to play one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from machine.bucket import Bucket
from machine.histories import History
from machine.world import bucket_world, folder_world
from servers import Server

from bm_sync.engine import opening
from bm_sync.engine.routed import Routed
from bm_sync.rclone import binary

Play = Callable[[History], None]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[asyncio.Runner]:
    """Yield a loop in which all runs share one real rclone: starting it costs most of a run."""
    with asyncio.Runner() as one, pytest.MonkeyPatch.context() as patch:
        rclone = Routed(
            binary.find(None, os.environ),
            run_dir=tmp_path_factory.mktemp("rclone"),
            env=os.environ,
        )
        stop = rclone.stop
        patch.setattr(rclone, "stop", _stay)
        patch.setattr(opening, "Routed", lambda *_, **__: rclone)
        try:
            yield one
        finally:
            one.run(stop())


async def _stay() -> None:
    """Keep the daemon for the next run."""


@pytest.fixture(params=["folder", "bucket"])
def play(
    request: pytest.FixtureRequest, tmp_path: Path, runner: asyncio.Runner, serve_s3: Server
) -> Iterator[Play]:
    """Yield what plays one history: over a folder, then over a bucket."""
    if request.param == "folder":
        yield lambda history: folder_world(tmp_path, [history]).play(runner)
        return
    with closing(Bucket(serve_s3.port)) as bucket:
        yield lambda history: bucket_world(tmp_path, [history], serve_s3, bucket).play(runner)
