"""Random histories over WebDAV; BM_SYNC_HISTORIES=1000 plays so many, each time others."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import standin_server
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from machine.dav import dav_world
from machine.histories import History, histories
from standin_server import Standin

_MORE = int(os.environ.get("BM_SYNC_HISTORIES", "0"))
_lanes = st.lists(histories(), min_size=1, max_size=2)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standin_server.running(tmp_path_factory.mktemp("standin")) as one:
        yield one


_ABLE: dict[str, object] = {"etags": "md5"}
_UNABLE: dict[str, object] = {
    "etags": "opaque",
    "refused": {"MOVE": 405, "COPY": 405},
    "infinite_depth": False,
    "honours_if_match": False,
    "honours_if_none_match": False,
    "put_makes_folders": False,
}


@pytest.mark.parametrize("switches", [_ABLE, _UNABLE], ids=["able", "unable"])
def test_histories_over_webdav_keep_every_promise(
    switches: dict[str, object], runner: asyncio.Runner, cloud: Standin
) -> None:
    cloud.admin("switch", **switches)

    @settings(
        max_examples=_MORE or 6,
        deadline=None,
        print_blob=True,
        derandomize=not _MORE,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )
    @given(lanes=_lanes)
    def play(lanes: list[History]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            dav_world(Path(folder), lanes, cloud, runner).play(runner)

    play()
