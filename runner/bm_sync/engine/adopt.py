"""Makes first manifests from what other programs have declared; writes nothing.

What it needs is loaded when it is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bm_sync.errors import UsageError
from bm_sync.model.setup import Setup

if TYPE_CHECKING:
    from bm_sync.manifest.adopt.proposal import Proposal


def import_basic_memory(folder: Path | None, file: Path, setup: Setup) -> Proposal:
    """Return a manifest for what Basic Memory has declared, as if it stood in `file`.

    `folder` is Basic Memory's data directory, None for the one it uses here. Raises UsageError when
    there is nothing to import.
    """
    from bm_sync.cloud.places import data_dir
    from bm_sync.manifest.adopt import memory
    from bm_sync.manifest.adopt.proposal import propose

    return propose(memory.read(folder or data_dir(setup.env)), file, setup)


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
