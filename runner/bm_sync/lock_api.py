"""What bm-sync can do about those that hold projects, as functions for the command line.

Like `api`: nothing here prints, asks or exits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bm_sync.engine.selecting import select
from bm_sync.model.config import Manifest
from bm_sync.model.setup import Selection, Setup

if TYPE_CHECKING:
    from bm_sync.model.holding import Holding, LeaseHolder
    from bm_sync.model.run import Event

Confirm = Callable[[str, "LeaseHolder"], bool]


async def unlock(
    manifest: Manifest,
    selection: Selection,
    setup: Setup,
    *,
    confirm: Confirm,
    on_event: Callable[[Event], None] = lambda _: None,
) -> tuple[Holding, ...]:
    """Tell who holds the selected projects.

    A lease whose run is dead is removed when `confirm` says so; a living one stays. Where no clock
    tells which it is, it is watched for as long as it holds.
    """
    from bm_sync.engine.opening import open_rclone
    from bm_sync.engine.site import Site
    from bm_sync.engine.unlock import Wants, unlock_all
    from bm_sync.state.store import State

    projects = select(manifest, selection)
    with State.open(setup.state_dir, host=setup.host, tell=setup.tell) as state:
        async with open_rclone(setup, projects) as rclone:
            wants = Wants(confirm, on_event, named=bool(selection.names))
            return await unlock_all(projects, Site(setup, state, rclone), wants)
