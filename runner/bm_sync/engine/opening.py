"""Opens what a command needs around it, and joins the plans of its projects to one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from bm_sync.engine.prepare import Prepared
from bm_sync.engine.record import iso
from bm_sync.engine.site import Site, machine_suffix
from bm_sync.model.config import Manifest, Project
from bm_sync.model.plan import Plan
from bm_sync.model.report import Setup
from bm_sync.plan.wire import digest
from bm_sync.rclone import binary, runtime
from bm_sync.rclone.client import Rclone
from bm_sync.state.store import State


@asynccontextmanager
async def open_site(
    setup: Setup, state: State, projects: Sequence[Project], log: Path | None = None
) -> AsyncIterator[Site]:
    """Open the surroundings of a command; rclone starts with its first use and always ends.

    Raises RcloneMissingError when there is no rclone to start.
    """
    rates = [p.policy.limits.bandwidth for p in projects]
    bandwidth = min((r for r in rates if r is not None), default=None)
    rclone = Rclone(
        binary.find(setup.rclone, setup.env),
        run_dir=runtime.base_dir(setup.env, setup.state_dir),
        env=setup.env,
        log_file=log,
        bandwidth=bandwidth,
        partial_suffix=machine_suffix(setup),
    )
    try:
        yield Site(setup, state, rclone)
    finally:
        await rclone.stop()
        _drop_if_empty(log)


def _drop_if_empty(log: Path | None) -> None:
    """Rclone opens its log when it starts; one without a line tells nothing."""
    if log is not None and log.is_file() and log.stat().st_size == 0:
        log.unlink()


def plan_of(manifest: Manifest, prepared: Sequence[Prepared], created: datetime) -> Plan:
    """Return the plan of a run from those of its projects."""
    projects = tuple(p.plan for p in prepared)
    return Plan(iso(created), str(manifest.file), manifest.digest, projects, digest(projects))
