"""Opens rclone for a command. Light, so that rclone starts while the rest is still loaded."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from bm_sync import layout
from bm_sync.engine.routed import Routed
from bm_sync.errors import RcloneMissingError
from bm_sync.model.config import BackendRemote, FolderRemote, NamedRemote, Project
from bm_sync.model.setup import Setup
from bm_sync.rclone import binary, runtime


class Opening(Protocol):
    """What lends a command its rclone for as long as the context lasts."""

    def __call__(
        self, setup: Setup, projects: Sequence[Project], log: Path | None = None
    ) -> AbstractAsyncContextManager[Routed]:
        """Lend an rclone for these projects; `log` is where one that is started writes."""


def machine_suffix(setup: Setup) -> str:
    """Return the suffix of this machine's half uploads; others' are never taken for ours."""
    text = f"{setup.host}\0{setup.state_dir}"
    return (
        f".{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:6]}{layout.PARTIAL}"
    )


@asynccontextmanager
async def open_rclone(
    setup: Setup, projects: Sequence[Project], log: Path | None = None
) -> AsyncIterator[Routed]:
    """Yield rclone, on its way when a remote needs it for listing; it always ends.

    Raises RcloneMissingError when there is no rclone to start; one that cannot start says so when
    it is first used.
    """
    rclone = make_rclone(setup, bandwidth(projects), log)
    try:
        wake(rclone, projects)
        yield rclone
    finally:
        await rclone.stop()
        drop_if_empty(log)


def bandwidth(projects: Sequence[Project]) -> int | None:
    """Return how many bytes per second the projects may use together, None for any number."""
    rates = [p.policy.limits.bandwidth for p in projects]
    return min((r for r in rates if r is not None), default=None)


def make_rclone(setup: Setup, limit: int | None, log: Path | None) -> Routed:
    """Return an rclone that is not started yet; raises RcloneMissingError when there is none."""
    rclone = Routed(
        binary.find(setup.rclone, setup.env),
        run_dir=runtime.base_dir(setup.env, setup.state_dir),
        env=setup.env,
        log_file=log,
        bandwidth=limit,
        partial_suffix=machine_suffix(setup),
    )
    rclone.upload_limit = limit
    return rclone


def wake(rclone: Routed, projects: Sequence[Project]) -> None:
    """Let rclone start when a remote of the projects needs it for listing."""
    sides = [side for p in projects for side in (p.remote, p.source and p.source.remote)]
    rclone.expect({s for s in sides if isinstance(s, BackendRemote | NamedRemote)})
    if any(p.remote and not isinstance(p.remote, FolderRemote) for p in projects):
        with suppress(RcloneMissingError):
            rclone.launch()


def drop_if_empty(log: Path | None) -> None:
    """Rclone opens its log when it starts; one without a line tells nothing."""
    if log is not None and log.is_file() and log.stat().st_size == 0:
        log.unlink()
