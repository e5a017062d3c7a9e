"""Asks a remote behind rclone for everything of a project. Changes nothing anywhere."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync import layout
from bm_sync.engine.identity import at_source, joined
from bm_sync.engine.place import Place
from bm_sync.engine.site import Site
from bm_sync.model.config import CloudRemote, FolderRemote, Project, Retry
from bm_sync.model.tree import Root
from bm_sync.parallel import at_once, spread
from bm_sync.plan.barrier import ancestors
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import S3_TYPE
from bm_sync.rclone.wire import Partial, RemoteListing, Whole
from bm_sync.structs import replace

_AT_ONCE = 8
_READ_AT_MOST = 64 << 20  # bytes of the file that is read to learn whether hashes are some
_LEVELS_AT_MOST = 16  # beside those on the way to the last name
_LEVELS_AGREE = Whole("its levels agree with it")
_MISSING = {Fault.MISSING: Root.MISSING, Fault.STORE_MISSING: Root.STORE_MISSING}


class Listed(Struct, frozen=True):
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


async def list_far(project: Project, site: Site, *, by_folder: bool = False) -> Listed | None:
    """Ask the remote for everything; None for a folder of this machine, which is walked instead."""
    if project.remote is None or isinstance(project.remote, FolderRemote):
        return None
    place = await site.patiently(project.policy.retry, lambda: site.place(project))
    try:
        listing = await _Asking(place, project.policy.retry, site).tree(by_folder=by_folder)
    except RcloneError as e:
        if e.fault not in _MISSING:
            raise
        return Listed(place, RemoteListing(()), _MISSING[e.fault])
    there = not place.absent or bool(listing.entries)
    return Listed(place, listing, Root.FOLDER if there else Root.MISSING)


async def looked_again(project: Project, listed: Listed, site: Site) -> Listed:
    """Return a listing that is empty against all memory, with the reason where one can be told.

    On a bucket a project that somebody deleted, moved or renamed looks like one whose files were
    deleted.
    """
    known = listed.root in (Root.FOLDER, Root.MISSING)
    if not isinstance(project.remote, CloudRemote) or not known:
        return listed
    if not await site.cloud.is_gone(project):
        place = await site.patiently(project.policy.retry, lambda: site.place(project))
        if place.fs.root == listed.place.fs.root:
            return listed
        return await list_far(project, site) or listed  # it was moved or renamed there
    return replace(listed, place=replace(listed.place, absent=True), root=Root.MISSING)


async def compared(project: Project, listed: Listed, site: Site) -> Listed:
    """Return a first listing of a project, of which nobody would miss what it leaves out.

    It is compared with single levels of the same place, and made again where they differ.
    """
    if listed.root is not Root.FOLDER or listed.place.absent:
        return listed
    listed = await _without_false_hashes(project, listed, site)
    asking = _Asking(listed.place, project.policy.retry, site)
    return replace(listed, listing=await asking.compared(listed.listing))


async def _without_false_hashes(project: Project, listed: Listed, site: Site) -> Listed:
    """Return a listing of S3 that tells no hashes where what it tells as MD5 is none.

    Buckets that encrypt with KMS keys have ETags that look like one. The smallest file is read for
    it, once for each remote.
    """
    remote, fs = project.remote, listed.place.fs
    if fs.type != S3_TYPE or isinstance(remote, CloudRemote | FolderRemote | None):
        return listed
    told = [e for e in listed.listing.entries if e.content and e.size <= _READ_AT_MOST]
    sample = min(told, default=None, key=lambda e: e.size)
    if sample is None or site.known_opaque(remote) is not None:
        return listed
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        real = await site.patiently(
            project.policy.retry,
            lambda: site.rclone.downloaded(fs, sample.path, "md5", Path(scratch)),
        )
    if real is None:
        return listed
    site.learn_opaque(remote, opaque=real != sample.content)
    if real == sample.content:
        return listed
    again = await list_far(project, site)
    assert again is not None  # noqa: S101 - it was listed just now
    return again


class _Asking:
    """Asks one remote for its trees and levels."""

    def __init__(self, place: Place, retry: Retry, site: Site) -> None:
        self._place = place
        self._retry = retry
        self._site = site

    async def tree(self, *, by_folder: bool, below: str = "") -> RemoteListing:
        """Return everything below a folder."""
        fs, features = self._place.fs.at(below), self._place.features
        rclone = self._site.rclone
        return await self._site.patiently(
            self._retry, lambda: rclone.list_tree(fs, features=features, by_folder=by_folder)
        )

    async def compared(self, listing: RemoteListing) -> RemoteListing:
        """Return a listing of all levels at once that agrees with single levels of it.

        Where they differ it is made again, folder by folder.
        """
        names = [*(e.path for e in listing.entries), *listing.unusable, *listing.unreadable]
        shown = _by_folder(names)
        on_way = list(_way_to_last(names))
        folders = {*shown, *(e.path for e in listing.entries if e.is_dir)}
        others = sorted(folders - {*on_way, *listing.unreadable})
        asked = [*on_way, *spread(others, _LEVELS_AT_MOST)]
        levels = await at_once(_AT_ONCE, asked, self._level)
        for folder, level in zip(asked, levels, strict=True):
            here = shown.get(folder, ())
            hidden = {n: is_dir for n, is_dir in level.items() if n not in here}
            if await self._holds_files(folder, hidden):
                return _together(listing, await self.tree(by_folder=True))
        return replace(listing, extent=_LEVELS_AGREE)

    async def _level(self, folder: str) -> Mapping[str, bool]:
        fs, features, rclone = self._place.fs, self._place.features, self._site.rclone
        try:
            found = await self._site.patiently(
                self._retry, lambda: rclone.list_level(fs, folder, features=features)
            )
        except RcloneError as e:
            if e.fault is not Fault.FORBIDDEN:
                raise
            found = None  # who may list a tree need not be allowed to list its parts
        return {
            n: is_dir for n, is_dir in (found or {}).items() if (folder, n) != ("", layout.HOME)
        }

    async def _holds_files(self, folder: str, hidden: Mapping[str, bool]) -> bool:
        """Return whether names that a listing did not show hold files; empty folders hold none."""
        if not all(hidden.values()):
            return True
        inside = [await self.tree(by_folder=False, below=joined(folder, name)) for name in hidden]
        return any(not e.is_dir for listing in inside for e in listing.entries)


def _way_to_last(paths: Iterable[str]) -> Iterator[str]:
    """Yield the folders whose levels show whether a listing ends too soon, the root first.

    Stores tell names in order, so what is cut off lies behind the last one that was told.
    """
    yield ""
    yield from reversed(list(ancestors(max(paths, default="", key=os.fsencode))))


def _by_folder(paths: Iterable[str]) -> Mapping[str, set[str]]:
    """Return the names that lie directly in each folder."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, _, name = path.rpartition("/")
        while name and name not in found[folder]:
            found[folder].add(name)
            folder, _, name = folder.rpartition("/")
    return found


def _together(one: RemoteListing, other: RemoteListing) -> RemoteListing:
    """Return the second listing; it is not whole if it lacks what the first one showed."""
    missing = {e.path for e in one.entries} - {e.path for e in other.entries}
    return replace(other, extent=Partial(frozenset(missing))) if missing else other
