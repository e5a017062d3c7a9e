"""One cloud project over WebDAV as the engine uses it: listings, and what the server can do.

Stamps are those of the same bucket over S3 wherever the ETag is a plain MD5, so a project may
change its transport without a union.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from bm_sync import layout
from bm_sync.cloud import dav_powers
from bm_sync.cloud.dav import Dav
from bm_sync.cloud.dav_places import DavFile, DavListing
from bm_sync.cloud.dav_powers import DOUBTED, Powers
from bm_sync.cloud.dav_wire import DavError, DavFault
from bm_sync.parallel import at_once, spread
from bm_sync.rclone.wire import EACH_FOLDER, Features, RemoteEntry, RemoteListing, Whole

_INFINITE = "infinite_depth {}"  # of one project: what is too much depends on its files
_SECOND_NS = 10**9
_AT_ONCE = 8
_ONE_BY_ONE_AT_MOST = 20  # beyond, one listing costs the service less
_HOLLOW_AT_MOST = 32
_OPENED = Whole("no folder in it hides what lies inside")

Remember = Callable[[Mapping[str, bool]], Awaitable[None]]
"""Keeps facts about the workspace's WebDAV for later runs."""


class Abilities:
    """What the WebDAV of one workspace can do; shared by its projects, remembered over runs."""

    def __init__(self, facts: Mapping[str, bool], remember: Remember) -> None:
        self._facts = dict(facts)
        self._remember = remember
        self._trying = asyncio.Lock()

    def infinite(self, project: str) -> bool:
        """Return whether a whole project may be listed by one request, as far as is known."""
        return self._facts.get(_INFINITE.format(project), True)

    async def finite(self, project: str) -> None:
        """Learn that it may not."""
        await self._learn({_INFINITE.format(project): False})

    async def doubt(self) -> None:
        """Let everything be tried again, because the server is not what it was."""
        await self._learn(DOUBTED)

    @property
    def known(self) -> Powers | None:
        """Return what is known without asking."""
        return dav_powers.known(self._facts)

    async def powers(self, dav: Dav) -> Powers:
        """Return what is known, tried out in the project of `dav` if nothing is."""
        async with self._trying:
            known = self.known
            if known is None:
                known = await dav_powers.tried(dav, f"probe-{secrets.token_hex(8)}")
                await self._learn(known.as_facts())
            return known

    async def _learn(self, facts: Mapping[str, bool]) -> None:
        self._facts.update(facts)
        await self._remember(facts)


class DavProject:
    """A project that is reached by WebDAV; raises DavError."""

    def __init__(self, dav: Dav, abilities: Abilities) -> None:
        self.dav = dav
        self._abilities = abilities

    @asynccontextmanager
    async def trusting(self) -> AsyncIterator[None]:
        """Doubt what is known of the server when it no longer does it."""
        try:
            yield
        except DavError as e:
            if e.fault is DavFault.UNSUPPORTED:
                await self._abilities.doubt()
            raise

    async def reconsider(self) -> None:
        """Look whether files can be deleted by now, where they could not."""
        known = self._abilities.known
        if known is not None and not known.delete and await dav_powers.deletes(self.dav):
            await self._abilities.doubt()

    async def powers(self) -> Powers:
        """Return what the server can do; tried out on scratch names when it is not known."""
        return await self._abilities.powers(self.dav)

    def features(self) -> Features:
        """Return what the backend can do, without asking anything."""
        known = self._abilities.known
        return Features(
            hash="md5",
            slow_hash="md5",
            slow_mtime=True,
            has_folders=False,
            case_insensitive=False,
            can_copy=known.copy if known else True,
            can_move=known.move if known else True,
            bucket_based=True,
            mtime_precision_ns=_SECOND_NS,
            atomic_put=True,
            can_delete=known.delete if known else True,
        )

    async def tree(self, folder: str, *, by_folder: bool = False) -> RemoteListing:
        """Return every file below `folder`; our own folder is no part of a project."""
        found, extent = await self._listed(folder, by_folder=by_folder)
        entries = [entry(file, timed=False) for file in found.files]
        if not folder:
            entries = [e for e in entries if not layout.is_home(e.path)]
        return RemoteListing(tuple(entries), found.unusable, found.closed, extent)

    async def level(self, folder: str) -> Mapping[str, bool] | None:
        """Return the names directly in a folder, true for folders; None when it is not there."""
        try:
            found = await self.dav.list_level(folder)
        except DavError as e:
            if e.fault is not DavFault.MISSING:
                raise
            return None
        return dict.fromkeys((f.path for f in found.files), False) | dict.fromkeys(
            found.folders, True
        )

    async def looked_at(self, folder: str, paths: Collection[str]) -> set[str]:
        """Return those of `paths` (below `folder`) that are files, each asked for by itself."""
        above = f"{folder}/" if folder else ""
        seen = await at_once(_AT_ONCE, paths, lambda path: self.dav.look(above + path))
        return {path for path, file in zip(paths, seen, strict=True) if file is not None}

    async def some(
        self, folder: str, paths: Collection[str], *, timed: bool
    ) -> dict[str, RemoteEntry]:
        """Return those of `paths` (below `folder`) that are files, by looks or by one listing."""
        if len(paths) > _ONE_BY_ONE_AT_MOST:
            try:
                files = (await self._listed(folder))[0].files
            except DavError as e:
                if e.fault is not DavFault.MISSING:
                    raise
                files = ()
            wanted = set(paths)
            return {f.path: entry(f, timed=timed) for f in files if f.path in wanted}
        above = f"{folder}/" if folder else ""
        seen = await at_once(_AT_ONCE, paths, lambda path: self.dav.look(above + path))
        pairs = zip(paths, seen, strict=True)
        return {p: entry(f, timed=timed)._replace(path=p) for p, f in pairs if f is not None}

    async def _listed(self, folder: str, *, by_folder: bool = False) -> tuple[DavListing, Whole]:
        if not by_folder and self._abilities.infinite(self.dav.project):
            try:
                found = await self.dav.list_all(folder)
            except DavError as e:
                if e.fault is not DavFault.FINITE:
                    raise
            else:
                if not await self._hides(folder, found.hollow):
                    return found, _OPENED
            await self._abilities.finite(self.dav.project)
        return await self.dav.list_by_folder(folder), EACH_FOLDER

    async def _hides(self, folder: str, hollow: Sequence[str]) -> bool:
        """Return whether folders of which a whole listing shows no inside have one.

        There are services that answer one level, or a few, to who asks for all of them. Where files
        make the folders such ones are rare, so to ask for each costs little.
        """
        asked = spread(hollow, _HOLLOW_AT_MOST)
        above = f"{folder}/" if folder else ""
        levels = await at_once(_AT_ONCE, asked, lambda path: self.level(above + path))
        return any(levels)


def entry(file: DavFile, *, timed: bool) -> RemoteEntry:
    """Return a file as listings of the engine have it.

    With a content the time is no part of its stamp, as on a bucket.
    """
    mtime_ns = None if file.mtime_s is None else file.mtime_s * _SECOND_NS
    if file.md5 is not None:
        return RemoteEntry(
            file.path, file.size, mtime_ns if timed else None, f"md5:{file.md5}", is_dir=False
        )
    return RemoteEntry(file.path, file.size, mtime_ns, None, is_dir=False, tag=file.etag)
