"""An `apply` without a terminal that ended before it had a plan: who watches is told."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from bm_sync import manifest as manifests
from bm_sync.cli import loop
from bm_sync.cli.context import manifest_file, setup
from bm_sync.cli.dispatch import surroundings
from bm_sync.cli.selection import select
from bm_sync.cli.target import targets
from bm_sync.errors import BmSyncError, Exit, UsageError
from bm_sync.manifest.loader import load_edges
from bm_sync.manifest.source import local_of
from bm_sync.model.config import Manifest


def _heard(manifest: Manifest, state: Path) -> bool:
    """Return whether anybody hears of it: a manifest that never ran has nobody to tell."""
    named = manifest.notify or manifest.metrics or manifest.fleet
    return bool(named) or (state / "state.db").exists()


def tell(args: Namespace, code: Exit, what: str) -> None:
    """Tell of it by what the manifest says; raises BmSyncError where there is none."""
    from bm_sync.engine import ended_early, selecting
    from bm_sync.engine.left_alone import refuse_brought

    io = surroundings()
    found = targets(args.targets)
    if found.saved is not None:
        return
    file, here = manifest_file(args, io, found.manifest), setup(args, io)
    state, mine = here.state_dir, here.machine(sys.platform)
    if not here.consent:
        refuse_brought([file, local_of(file)], here)
    early = ended_early.Early(" ".join(["apply", *args.targets]), int(code), what)
    try:
        manifest = manifests.load(file, io.env, state_dir=state, machine=mine).manifest
    except BmSyncError:
        edges = load_edges(file, io.env, state_dir=state, machine=mine)
        if edges is not None and _heard(edges, state):
            loop.run(ended_early.tell(edges, (), here, early))
        return
    try:
        projects = selecting.select(manifest, select(args, found.names))
    except UsageError:
        projects = manifest.projects
    loop.run(ended_early.tell(manifest, projects, here, early))
