"""See what a remote holds: whole trees, exact paths, contents.

Reads only.
"""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct

from bm_sync.parallel import at_once
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.lists import Lists
from bm_sync.rclone.names import is_text, to_standard
from bm_sync.rclone.rc import Answer, Rc
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import (
    EACH_FOLDER,
    ENDED,
    Features,
    RemoteEntry,
    RemoteListing,
    Unusable,
    entry_hook,
    features_of,
)

_LIKE_MD5 = "md5"
_IS_FOLDER = "is a directory not a file"
_AT_ONCE = 8
_LARGE = 20_000
ONE_BY_ONE_AT_MOST = 100  # beyond, a listing of 1,000 a request costs less than a look at each


class Wanted(Struct, frozen=True):
    """What a look at single files shall tell beside their size."""

    mtime: bool
    content: bool


class Listings:
    """Looks at remotes through one daemon."""

    def __init__(self, rc: Rc, lists: Lists) -> None:
        self._rc = rc
        self._lists = lists

    async def features(self, fs: Fs) -> Features:
        """Return what the backend can do."""
        return features_of(await self._rc.do("operations/fsinfo", {"fs": fs.root}))

    async def tree(self, fs: Fs, can: Features, *, by_folder: bool = False) -> RemoteListing:
        """Return everything below `fs`; see `Rclone.list_tree`."""
        unreadable: list[str] = []
        try:
            if by_folder:
                found = await self._by_folder(fs, can, unreadable)
            else:
                found = await self._listed(fs, _of_tree(fs, can), {}, can)
        except RcloneError as e:
            if by_folder or e.fault is not Fault.FORBIDDEN or not can.has_folders:
                raise
            by_folder = True
            found = await self._by_folder(fs, can, unreadable)
        if len(found) > _LARGE:
            await self._rc.do("core/gc", {})  # rclone keeps a listing until it needs the room
        entries = [e for e in found if isinstance(e, RemoteEntry)]
        unusable = [e.name for e in found if isinstance(e, Unusable)]
        twice = _twice(entries)
        if twice:
            unusable += sorted(twice)
            entries = [e for e in entries if e.path not in twice]
        untold = [e.path for e in entries if _needs_time(e, can)]
        if untold:
            timed = await self.look_up(fs, untold, can, hashed=can.hash)
            entries = [_completed(e, timed) if _needs_time(e, can) else e for e in entries]
        extent = EACH_FOLDER if by_folder else ENDED
        return RemoteListing(tuple(entries), tuple(unusable), tuple(unreadable), extent)

    async def level(self, fs: Fs, folder: str, can: Features) -> Mapping[str, bool] | None:
        """Return what lies directly in a folder by its name, true for folders; None for no folder.

        On a bucket a folder that is not there is an empty one.
        """
        options = {"noMimeType": True, "noModTime": True}
        where = {"remote": to_standard(folder)}
        try:
            found = await self._listed(fs, options, where, can)
        except RcloneError as e:
            if e.fault is Fault.MISSING:
                return None
            raise
        below = len(folder) + 1 if folder else 0
        return {e.path[below:]: e.is_dir for e in found if isinstance(e, RemoteEntry)}

    async def some(
        self, fs: Fs, paths: Collection[str], can: Features, wanted: Wanted
    ) -> dict[str, RemoteEntry]:
        """Return those of `paths` that are files; see `Rclone.list_some`."""
        asked = {path for path in paths if is_text(path)}
        if not asked:
            return {}
        costly = wanted.mtime and can.slow_mtime
        if len(asked) > ONE_BY_ONE_AT_MOST and not costly:
            return await self._picked(fs, asked, can)
        found = await self.look_up(fs, asked, can, hashed=can.hash if wanted.content else None)
        if wanted.mtime or not can.slow_mtime:
            return found
        return {p: e._replace(mtime_ns=None) if e.content or e.tag else e for p, e in found.items()}

    async def look_up(
        self, fs: Fs, paths: Iterable[str], can: Features, *, hashed: str | None
    ) -> dict[str, RemoteEntry]:
        """Look at each path by itself (one HEAD each on a bucket), with its time.

        `hashed` names the hash to ask for; the server may have to compute it.
        """
        asked = list(paths)
        options: dict[str, Any] = {"recurse": True, "noMimeType": True, "filesOnly": True}
        try:
            with self._lists.of(asked) as chosen:
                extra = {"_filter": chosen, "_config": {"NoTraverse": True}}
                found = await self._listed(fs, options | _hashes(fs, hashed), extra, can)
        except RcloneError as e:
            if _IS_FOLDER not in e.what and e.fault is not Fault.NAME:
                raise
            return await self._each(fs, asked, hashed)
        return {e.path: e for e in found if isinstance(e, RemoteEntry) and not e.is_dir}

    async def _each(self, fs: Fs, paths: list[str], hashed: str | None) -> dict[str, RemoteEntry]:
        """Ask for each path in a call of its own.

        A folder among them, or a name that cannot be there, fails the common one.
        """

        async def look(path: str) -> RemoteEntry | None:
            try:
                return await self.stat(fs, path, hashed, files_only=True)
            except RcloneError as e:
                if e.fault is not Fault.NAME:
                    raise
                return None  # what no file there can be called is not there

        seen = await at_once(_AT_ONCE, paths, look)
        return {e.path: e for e in seen if e is not None and not e.is_dir}

    async def stat(
        self, fs: Fs, path: str, hashed: str | None, *, files_only: bool = False
    ) -> RemoteEntry | None:
        """Return what stands at `path`, with its time, and its hash of type `hashed`.

        With `files_only` rclone does not look through the folder above for one of that name, and
        tells it when it cannot look.
        """
        options = {"noMimeType": True, "filesOnly": files_only} | _hashes(fs, hashed)
        params = {"fs": fs.root, "remote": spoken(path), "opt": options}
        item = (await self._rc.do("operations/stat", params, hook=entry_hook))["item"]
        return _named(fs, item) if isinstance(item, RemoteEntry) else None

    async def ping(self, fs: Fs) -> None:
        """List the names directly at `fs`; raises RcloneError when the remote does not answer."""
        options = {"noModTime": True, "noMimeType": True}
        params = {"fs": fs.root, "remote": "", "opt": options}
        await self._rc.do("operations/list", params, hook=entry_hook)

    async def _picked(self, fs: Fs, asked: set[str], can: Features) -> dict[str, RemoteEntry]:
        shared = posixpath.commonpath([posixpath.dirname(p) for p in asked])
        try:
            listing = await self.tree(fs.at(shared), can)
        except RcloneError as e:
            if e.fault is Fault.MISSING and shared:
                return {}
            raise
        prefix = f"{shared}/" if shared else ""
        found = (e._replace(path=prefix + e.path) for e in listing.entries if not e.is_dir)
        return {e.path: e for e in found if e.path in asked}

    async def _by_folder(
        self, fs: Fs, can: Features, unreadable: list[str]
    ) -> list[RemoteEntry | Unusable]:
        """List one folder after the other; note those that may not be listed in `unreadable`."""
        options = _of_tree(fs, can) | {"recurse": False, "filesOnly": False}
        found: list[RemoteEntry | Unusable] = []
        todo = [""]
        while todo:
            folder = todo.pop()
            try:
                inside = await self._listed(fs, options, {"remote": to_standard(folder)}, can)
            except RcloneError as e:
                if e.fault is not Fault.FORBIDDEN or not folder:
                    raise
                unreadable.append(folder)
                continue
            found += inside
            todo += [e.path for e in inside if isinstance(e, RemoteEntry) and e.is_dir]
        if can.has_folders:
            return found
        return [e for e in found if not (isinstance(e, RemoteEntry) and e.is_dir)]

    async def _listed(
        self, fs: Fs, options: Answer, extra: Answer, can: Features
    ) -> list[RemoteEntry | Unusable]:
        """List, and make sure that nothing was left out.

        Rclone passes over folders that it may not read with no more than an error counted in the
        group.
        """
        group = self._rc.group()
        params = {"fs": fs.root, "remote": "", "opt": options, "_group": group, **extra}
        try:
            answer = await self._rc.do("operations/list", params, hook=entry_hook)
        except RcloneError as e:
            if e.fault is Fault.MISSING and can.bucket_based:
                what = "the bucket does not exist"
                raise RcloneError(what, fault=Fault.STORE_MISSING, said=e.raw) from e
            raise
        seen = await self._rc.progress(group)
        await self._rc.forget(group)
        if seen.errors:
            raise self._rc.error(seen.last_error)
        found: list[RemoteEntry | Unusable] = answer["list"]
        if not fs.opaque:
            return found
        return [_named(fs, e) if isinstance(e, RemoteEntry) else e for e in found]


def spoken(path: str) -> str:
    """Return `path` as rclone's JSON takes it; raises RcloneError when it is not UTF-8."""
    if not is_text(path):
        shown = ascii(os.fsencode(path))[2:-1]
        raise RcloneError(f"the name is not valid UTF-8: {shown}", fault=Fault.NAME)
    return to_standard(path)


def _of_tree(fs: Fs, can: Features) -> Answer:
    shape = {"recurse": True, "filesOnly": not can.has_folders}
    return shape | {"noMimeType": True, "noModTime": can.slow_mtime} | _hashes(fs, can.hash)


def _hashes(fs: Fs, kind: str | None) -> Answer:
    kind = _LIKE_MD5 if fs.opaque else kind
    return {"showHash": True, "hashTypes": [kind]} if kind else {}


def _named(fs: Fs, entry: RemoteEntry) -> RemoteEntry:
    """Return an entry of which what is no hash of the content is the name of the version."""
    if not fs.opaque or entry.content is None:
        return entry
    return entry._replace(content=None, tag=entry.content.partition(":")[2])


def _twice(entries: list[RemoteEntry]) -> set[str]:
    paths = {e.path for e in entries}
    if len(paths) == len(entries):
        return set()
    return {path for path, n in Counter(e.path for e in entries).items() if n > 1}


def _needs_time(entry: RemoteEntry, can: Features) -> bool:
    told = entry.content is not None or entry.tag is not None or entry.mtime_ns is not None
    return can.slow_mtime and not entry.is_dir and not told


def _completed(entry: RemoteEntry, timed: dict[str, RemoteEntry]) -> RemoteEntry:
    known = timed.get(entry.path)
    return entry._replace(mtime_ns=known.mtime_ns) if known else entry
