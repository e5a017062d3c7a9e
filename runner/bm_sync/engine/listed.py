"""Asks a remote behind rclone for everything of a project. Changes nothing anywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bm_sync.engine.identity import at_source
from bm_sync.engine.place import Place
from bm_sync.engine.site import Site
from bm_sync.model.config import CloudRemote, FolderRemote, Project
from bm_sync.model.tree import Root
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.wire import RemoteListing

_MISSING = {Fault.MISSING: Root.MISSING, Fault.STORE_MISSING: Root.STORE_MISSING}


@dataclass(frozen=True, slots=True)
class Listed:
    """What a remote behind rclone told, before the filters."""

    place: Place
    listing: RemoteListing
    root: Root


async def reach(project: Project, site: Site) -> None:
    """Connect the remote of a project, so that its listing is on its way when the walk begins."""
    there = at_source(project)
    if there is not None:
        await site.patiently(project.policy.retry, lambda: site.place(there))
    if not isinstance(project.remote, FolderRemote | None):
        await site.patiently(project.policy.retry, lambda: site.place(project))


async def list_far(project: Project, site: Site) -> Listed | None:
    """Ask the remote for everything; None for a folder of this machine, which is walked instead."""
    if project.remote is None or isinstance(project.remote, FolderRemote):
        return None
    retry = project.policy.retry
    place = await site.patiently(retry, lambda: site.place(project))
    try:
        listing = await site.patiently(
            retry, lambda: site.rclone.list_tree(place.fs, features=place.features)
        )
    except RcloneError as e:
        if e.fault not in _MISSING:
            raise
        return Listed(place, RemoteListing(()), _MISSING[e.fault])
    there = not place.absent or bool(listing.entries)
    return Listed(place, listing, Root.FOLDER if there else Root.MISSING)


async def looked_again(project: Project, listed: Listed, site: Site) -> Listed:
    """Return a listing that is empty against all memory, with the reason where one can be told.

    On a bucket a project that somebody deleted looks like one whose files were deleted.
    """
    if not isinstance(project.remote, CloudRemote) or listed.root is not Root.FOLDER:
        return listed
    if not await site.cloud.is_gone(project):
        return listed
    return replace(listed, place=replace(listed.place, absent=True), root=Root.MISSING)
