"""What bm-sync can do about earlier runs, as functions: the command line calls these.

Like `api`: nothing here prints, asks or exits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bm_sync.model.config import Manifest, Project
from bm_sync.model.past import Undo
from bm_sync.model.plan import Plan
from bm_sync.model.setup import Setup

if TYPE_CHECKING:
    from bm_sync.engine.prepare import Prepared
    from bm_sync.engine.site import Site
    from bm_sync.engine.undo import Target
    from bm_sync.model.report import Applied
    from bm_sync.model.run import Event

Confirm = Callable[[Plan], bool]
OnEvent = Callable[["Event"], None]


def resolve_undo(manifest: Manifest, wanted: Undo, setup: Setup) -> Undo:
    """Return what is to be taken back with the run's full id.

    Raises UsageError when there is nothing that can be taken back.
    """
    return replace(wanted, run=_target(manifest, wanted, setup).run.id)


async def plan_undo(manifest: Manifest, wanted: Undo, setup: Setup) -> Plan:
    """Plan to take a run back. Changes nothing anywhere."""
    from bm_sync.engine import undo
    from bm_sync.engine.opening import open_rclone
    from bm_sync.engine.prepare import plan_of
    from bm_sync.engine.site import Site
    from bm_sync.state.store import State

    found = _target(manifest, wanted, setup)
    async with open_rclone(setup, found.projects) as rclone:
        with State.peek(setup.state_dir) as state:
            site = Site(setup, state, rclone)
            prepared = await undo.prepare_all(found, wanted, found.projects, site)
            return plan_of(manifest, prepared, site.clock())


async def undo(  # noqa: PLR0913 - what to do, and whom to tell
    manifest: Manifest,
    wanted: Undo,
    setup: Setup,
    *,
    confirm: Confirm = lambda _: True,
    on_event: OnEvent = lambda _: None,
    command: str = "undo",
) -> Applied:
    """Take back what a run did, as a run of its own: planned, confirmed, recorded like any."""
    from bm_sync.engine import reconcile
    from bm_sync.engine import undo as undoing

    found = _target(manifest, wanted, setup)

    async def prepare(mine: Sequence[Project], site: Site) -> tuple[Prepared, ...]:
        return await undoing.prepare_all(found, wanted, mine, site)

    return await reconcile.apply(
        manifest, found.projects, setup, prepare, reconcile.Watch(confirm, on_event, command)
    )


def _target(manifest: Manifest, wanted: Undo, setup: Setup) -> Target:
    from bm_sync.engine.undo import target
    from bm_sync.state.store import State

    with State.peek(setup.state_dir) as state:
        return target(wanted, manifest.projects, state)
