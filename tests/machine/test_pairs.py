"""Random histories over projects that join two remotes.

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
from machine.world import pair_world
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


@_settings(3)
@given(lanes=_lanes)
def test_histories_between_two_buckets_keep_every_promise(
    lanes: list[History], runner: asyncio.Runner, serve_s3: Server, seaweedfs: Server
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Bucket(seaweedfs.port)) as near,
        closing(Bucket(serve_s3.port)) as far,
    ):
        pair_world(Path(folder), lanes, (seaweedfs, near), (serve_s3, far)).play(runner)


@_settings(3)
@given(lanes=_lanes)
def test_histories_within_one_store_keep_every_promise(
    lanes: list[History], runner: asyncio.Runner, serve_s3: Server
) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Bucket(serve_s3.port)) as bucket:
        pair_world(Path(folder), lanes, (serve_s3, bucket), (serve_s3, bucket)).play(runner)


@_settings(3)
@given(lanes=_lanes)
def test_histories_between_a_bucket_and_a_folder_remote_keep_every_promise(
    lanes: list[History], runner: asyncio.Runner, serve_s3: Server
) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Bucket(serve_s3.port)) as bucket:
        pair_world(Path(folder), lanes, (serve_s3, bucket), None).play(runner)
