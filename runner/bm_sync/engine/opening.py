"""Opens rclone for a command. Light, so that rclone starts while the rest is still loaded."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bm_sync.engine.routed import Routed
from bm_sync.errors import RcloneMissingError
from bm_sync.model.config import FolderRemote, Project
from bm_sync.model.setup import Setup
from bm_sync.rclone import binary, runtime


def machine_suffix(setup: Setup) -> str:
    """Return the suffix of this machine's half uploads; others' are never taken for ours."""
    text = f"{setup.host}\0{setup.state_dir}"
    return f".{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:6]}.bmpart"


@asynccontextmanager
async def open_rclone(
    setup: Setup, projects: Sequence[Project], log: Path | None = None
) -> AsyncIterator[Routed]:
    """Yield rclone, on its way when a remote needs it for listing; it always ends.

    Raises RcloneMissingError when there is no rclone to start; one that cannot start says so when
    it is first used.
    """
    rates = [p.policy.limits.bandwidth for p in projects]
    bandwidth = min((r for r in rates if r is not None), default=None)
    rclone = Routed(
        binary.find(setup.rclone, setup.env),
        run_dir=runtime.base_dir(setup.env, setup.state_dir),
        env=setup.env,
        log_file=log,
        bandwidth=bandwidth,
        partial_suffix=machine_suffix(setup),
    )
    rclone.upload_limit = bandwidth
    try:
        if any(p.remote and not isinstance(p.remote, FolderRemote) for p in projects):
            with suppress(RcloneMissingError):
                rclone.launch()
        yield rclone
    finally:
        await rclone.stop()
        _drop_if_empty(log)


def _drop_if_empty(log: Path | None) -> None:
    """Rclone opens its log when it starts; one without a line tells nothing."""
    if log is not None and log.is_file() and log.stat().st_size == 0:
        log.unlink()
