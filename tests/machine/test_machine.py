"""Random histories over real sides.

BM_SYNC_HISTORIES=1000 plays so many, each time others.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from machine.bucket import Bucket
from machine.histories import History, histories
from machine.racing import Race, race, races
from machine.world import bucket_world, folder_world
from servers import Server

_MORE = int(os.environ.get("BM_SYNC_HISTORIES", "0"))
_lanes = st.lists(histories(), min_size=1, max_size=3)


def _settings(few: int) -> settings:
    return settings(
        max_examples=_MORE or few,
        deadline=None,
        print_blob=True,
        derandomize=not _MORE,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )


@_settings(30)
@given(lanes=_lanes)
def test_histories_over_folders_keep_every_promise(
    lanes: list[History], runner: asyncio.Runner
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folder_world(Path(folder), lanes).play(runner)


@_settings(10)
@given(lanes=_lanes)
def test_histories_over_a_bucket_keep_every_promise(
    lanes: list[History], runner: asyncio.Runner, serve_s3: Server
) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Bucket(serve_s3.port)) as bucket:
        bucket_world(Path(folder), lanes, serve_s3, bucket).play(runner)


@_settings(3)
@given(lanes=_lanes)
def test_histories_over_an_object_store_with_conditions_keep_every_promise(
    lanes: list[History], runner: asyncio.Runner, seaweedfs: Server
) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Bucket(seaweedfs.port)) as bucket:
        bucket_world(Path(folder), lanes, seaweedfs, bucket).play(runner)


@_settings(15)
@given(raced=races())
def test_nothing_is_lost_by_whoever_saves_during_a_run(raced: Race, runner: asyncio.Runner) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = folder_world(Path(folder), [raced.history])
        race(world, raced.saves, runner)
