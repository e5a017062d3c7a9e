"""Random histories carried out by `rclone bisync`: the promises are those of our own engine.

BM_SYNC_HISTORIES=1000 plays so many, each time others.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from machine.bucket import Bucket
from machine.histories import History, histories
from machine.racing import plain
from machine.test_undo import _round as round_taken_back
from machine.world import World, bucket_world, folder_world
from servers import Server

from bm_sync import api
from bm_sync.model.config import Engine, Manifest, Mode

_MORE = int(os.environ.get("BM_SYNC_HISTORIES", "0"))
_two_way = histories().filter(lambda history: history.policy.mode == Mode.TWO_WAY)
_lanes = st.lists(_two_way, min_size=1, max_size=3)


class BisyncWorld(World):
    """A manifest whose projects are all carried out by bisync."""

    def declared(self) -> Manifest:
        """Write the manifest as it is declared now, with the other engine, and load it."""
        super().declared()
        file = self.folder / "sync.yaml"
        manifest = json.loads(file.read_text())
        for project in manifest["projects"].values():
            project["policy"]["engine"] = "bisync"
        file.write_text(json.dumps(manifest))
        loaded = api.load(file, self.setup).manifest
        assert {p.policy.engine for p in loaded.projects} == {Engine.BISYNC}
        return loaded


def _undoable(history: History) -> History:
    return History(history.policy, tuple(plain(edits) for edits in history.rounds))


def _by_bisync(world: World) -> World:
    return BisyncWorld(world.folder, world.remote, world.lanes)


def _settings(few: int) -> settings:
    return settings(
        max_examples=_MORE or few,
        deadline=None,
        print_blob=True,
        derandomize=not _MORE,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )


@_settings(12)
@given(lanes=_lanes)
def test_histories_over_folders_keep_every_promise_by_bisync(
    lanes: list[History], runner: asyncio.Runner
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _by_bisync(folder_world(Path(folder), lanes)).play(runner)


@_settings(5)
@given(lanes=_lanes)
def test_histories_over_a_bucket_keep_every_promise_by_bisync(
    lanes: list[History], runner: asyncio.Runner, serve_s3: Server
) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Bucket(serve_s3.port)) as bucket:
        _by_bisync(bucket_world(Path(folder), lanes, serve_s3, bucket)).play(runner)


@_settings(5)
@given(history=_two_way.map(_undoable), taken_back=st.lists(st.booleans(), min_size=4, max_size=4))
def test_undo_takes_back_what_bisync_did(
    history: History, taken_back: list[bool], runner: asyncio.Runner
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = _by_bisync(folder_world(Path(folder), [history]))
        for edits, back in zip(history.rounds, taken_back, strict=False):
            for edit in edits:
                world.lanes[0].do(edit)
            round_taken_back(world, runner, back=back)
