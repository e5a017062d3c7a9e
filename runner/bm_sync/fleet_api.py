"""What bm-sync can do about a fleet of machines, as functions for the command line.

Like `api`: nothing here prints, asks or exits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bm_sync.errors import UsageError
from bm_sync.model.config import Manifest
from bm_sync.model.fleet import Fleet, FleetHost, FleetReport
from bm_sync.model.setup import Setup

if TYPE_CHECKING:
    from bm_sync.engine.site import Site

_HINT = "write fleet: REMOTE, such as fleet: cloud; every machine then leaves how it stands there"


async def status(manifest: Manifest, setup: Setup, max_age_s: float | None = None) -> FleetReport:
    """Return how every machine of the fleet stands, the worst first.

    Raises UsageError when the manifest names no fleet, BmSyncError when its place cannot be read.
    """
    from bm_sync.engine import fleet as fleets

    fleet = _fleet(manifest)
    async with _at(setup) as site:
        return await fleets.status(manifest, fleet, site, max_age_s)


async def forget(
    manifest: Manifest, setup: Setup, host: str, *, confirm: Callable[[FleetHost], bool]
) -> FleetHost | None:
    """Take away what a machine left when `confirm` says so; return it, None when it stays.

    `host` is its name, its id or the name of its file. Raises UsageError when that is nobody's, or
    several machines'.
    """
    from bm_sync.engine import fleet as fleets

    fleet = _fleet(manifest)
    async with _at(setup) as site:
        found = fleets.meant(await fleets.status(manifest, fleet, site, None), host)
        if not confirm(found):
            return None
        await fleets.forget(fleet, found, site)
        return found


def _fleet(manifest: Manifest) -> Fleet:
    if manifest.fleet is None:
        raise UsageError("the manifest names no place for a fleet", hint=_HINT)
    return manifest.fleet


@asynccontextmanager
async def _at(setup: Setup) -> AsyncIterator[Site]:
    from bm_sync.engine.opening import open_rclone
    from bm_sync.engine.site import Site
    from bm_sync.state.store import State

    async with open_rclone(setup, ()) as rclone:
        with State.peek(setup.state_dir, tell=setup.tell) as state:
            yield Site(setup, state, rclone)
