"""Tells of a run that came to no plan: a manifest that is not valid, no rclone, a bug.

Whoever watches (notices, status.json, figures, the fleet) must not take silence for being well.
Nothing here fails: the run has ended already, and its own error is what a person reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

from bm_sync.engine import health, journal
from bm_sync.engine.identity import project_key
from bm_sync.engine.opening import open_rclone
from bm_sync.engine.record import iso
from bm_sync.engine.site import Site, utc_now
from bm_sync.errors import BmSyncError
from bm_sync.model.config import Manifest, Project
from bm_sync.model.run import ProjectRun, Run, Status
from bm_sync.model.setup import Setup
from bm_sync.state.store import State
from bm_sync.structs import replace


class Early(Struct, frozen=True):
    """How a run ended: what was typed, its exit code and the sentence of its error."""

    command: str
    exit: int
    what: str


async def tell(manifest: Manifest, projects: Sequence[Project], setup: Setup, early: Early) -> None:
    """Record a run that ended early, and tell everybody whom the manifest names.

    `manifest` may be the part of an invalid one that can be read, without projects.
    """
    from bm_sync.engine.record import ticket

    run = ticket(setup, early.command)
    failed = tuple(_failed(p.name, project_key(p), run.started_at, early) for p in projects)
    record = Run(
        id=run.id,
        command=run.command,
        started=run.started_at,
        ended=iso(utc_now()),
        host=setup.host,
        manifest=str(manifest.file.absolute()),
        plan_digest="",
        exit=early.exit,
        projects=failed,
    )
    with suppress(BmSyncError, OSError), State.open(setup.state_dir, host=setup.host) as state:
        state.begin_run(record)
        state.end_run(record)
        if projects:
            health.publish(manifest, record, state, setup)
        else:
            health.publish_end(manifest, record, setup)
        await _notify(manifest, record, setup, state, early)
        if manifest.fleet is not None:
            env = {name: said for name, said in setup.env.items() if name != "BM_SYNC_RCLONE"}
            packaged = replace(setup, rclone=None, env=env)  # the one named may be what is wrong
            async with open_rclone(packaged, ()) as rclone:
                await health.tell_fleet(manifest, record, Site(setup, state, rclone))


async def _notify(
    manifest: Manifest, record: Run, setup: Setup, state: State, early: Early
) -> None:
    if not manifest.notify:
        return
    from bm_sync.engine.noticing import Noticed, Noticing, whole_key
    from bm_sync.notice.send import Sender

    sender = Sender(setup.env)
    noticing = Noticing(Noticed(manifest, state, setup.host), sender, journal.told)
    if not record.projects:
        name = manifest.file.name
        whole = _failed(name, whole_key(manifest), record.started, early)
        record = replace(record, projects=(whole,))
    await noticing.ended(record, utc_now())


def _failed(name: str, key: str, started: str, early: Early) -> ProjectRun:
    return ProjectRun(
        project=name,
        key=key,
        status=Status.FAILED,
        started=started,
        seconds=0.0,
        message=early.what,
        exit=early.exit,
    )
