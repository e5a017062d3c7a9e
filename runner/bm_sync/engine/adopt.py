"""Takes over what other programs have declared and remembered; their files are never changed.

What is needed is loaded when it is called.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import TYPE_CHECKING

from bm_sync.engine.selecting import select
from bm_sync.errors import UsageError
from bm_sync.model.config import Manifest
from bm_sync.model.setup import Selection, Setup

if TYPE_CHECKING:
    from bm_sync.manifest.adopt.proposal import Proposal
    from bm_sync.model.learnt import Learnt


def import_basic_memory(folder: Path | None, file: Path, setup: Setup) -> Proposal:
    """Return a manifest for what Basic Memory has declared, as if it stood in `file`.

    `folder` is Basic Memory's data directory, None for the one it uses here. Raises UsageError when
    there is nothing to import.
    """
    from bm_sync.manifest.adopt import memory
    from bm_sync.manifest.adopt.proposal import propose
    from bm_sync.paths import basic_memory_dir

    return propose(memory.read(folder or basic_memory_dir(setup.env), setup.env), file, setup)


def import_rclone(config: Path | None, file: Path, setup: Setup) -> Proposal:
    """Return a manifest with the remotes of an rclone.conf, as if it stood in `file`.

    `config` is the rclone.conf, None for the one that rclone uses here. Raises UsageError when it
    cannot be read. Not to be called where an event loop runs.
    """
    import asyncio

    from bm_sync.manifest.adopt.conf import ConfRemote, propose_remotes
    from bm_sync.rclone import binary, userconf

    env = dict(setup.env)
    if config is not None and not config.is_file():
        raise UsageError(f"there is no file {config}", hint="where it is: rclone config file")
    if config is not None:
        env["RCLONE_CONFIG"] = str(config.absolute())
    found = asyncio.run(userconf.overview(binary.find(setup.rclone, setup.env), env))
    other = config.absolute() if config is not None and env != setup.env else None
    return propose_remotes([ConfRemote(*each) for each in found], other, file, setup)


async def import_bisync_state(
    manifest: Manifest, name: str, setup: Setup, *, folder: Path | None, replace: bool
) -> Learnt:
    """Remember of a declared project what the listings of an earlier `rclone bisync` tell.

    `folder` is where they are, None for the usual places; `replace` forgets an older memory first.
    Raises LockedError while a run holds the project, else as `engine.import_bisync` does.
    """
    from bm_sync.engine.identity import project_key
    from bm_sync.engine.import_bisync import import_bisync_state as learn
    from bm_sync.engine.opening import open_rclone
    from bm_sync.engine.record import iso
    from bm_sync.engine.site import Site, utc_now
    from bm_sync.state.lock import Owner, hold
    from bm_sync.state.store import State

    (project,) = select(manifest, Selection((glob.escape(name),)))
    owner = Owner(os.getpid(), setup.host, iso(utc_now()), "import bisync-state", name)
    with (
        State.open(setup.state_dir, host=setup.host, tell=setup.tell) as state,
        hold(setup.state_dir, project_key(project), owner),
    ):
        async with open_rclone(setup, [project]) as rclone:
            site = Site(setup, state, rclone)
            return await learn(project, site, folder=folder, replace_memory=replace)
