"""Brings files of a cloud project here by rclone, which is told the token over its socket only."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from bm_sync.cloud.dav import Dav
from bm_sync.engine import contents
from bm_sync.engine.dav_faults import told
from bm_sync.engine.jail import Jail
from bm_sync.engine.routed import Routed
from bm_sync.errors import BmSyncError
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import Definition, Fs
from bm_sync.rclone.transfer import PLAIN, Batch, BatchResult, OnProgress
from bm_sync.rclone.webdav import DavRoot, webdav_definition, webdav_fs
from bm_sync.secret import Secret

_ALGORITHM = "md5"
_SAYS_NOTHING_OF_FILES = frozenset(
    {Fault.TRANSIENT, Fault.DAEMON, Fault.AUTH, Fault.FULL, Fault.CANCELLED}
)


class Reader:
    """One project as rclone reads it; `name` is for the daemon, `label` for a person."""

    def __init__(self, rclone: Routed, dav: Dav, name: str, label: str) -> None:
        self._rclone = rclone
        self._dav = dav
        self._name = name
        self._label = label
        self._bearer: Secret | None = None

    async def batch(
        self,
        folder: str,
        target: Fs,
        paths: Collection[str],
        opts: Batch = PLAIN,
        on_progress: OnProgress | None = None,
    ) -> BatchResult:
        """Copy exactly `paths` below `folder` into a folder of this machine.

        After a passing failure the service is asked for something small first: that waits as long
        as a `Retry-After` says, of which rclone takes no notice.
        """
        source = (await self._fs()).at(folder)
        result = await self._rclone.copy_batch(source, target, paths, opts, on_progress)
        if result.fault is not None and result.fault.fault is Fault.TRANSIENT:
            with suppress(BmSyncError):
                await self._dav.is_folder("")
        return result

    async def file(self, path: str, target: Fs, target_path: str) -> None:
        """Copy one file into a folder of this machine."""
        await self._rclone.copy_file(await self._fs(), path, target, target_path)

    async def contents(self, folder: str, paths: Collection[str], scratch: Path) -> dict[str, str]:
        """Return the MD5 of files, which are brought below `scratch` for it and removed."""
        with tempfile.TemporaryDirectory(prefix="contents-", dir=scratch) as place:
            below = Path(place)
            result = await self.batch(folder, self._rclone.local(below), paths)
            jail = Jail(below)
            found = {path: await contents.digest(jail, path, _ALGORITHM) for path in paths}
            if result.fault is not None and result.fault.fault in _SAYS_NOTHING_OF_FILES:
                raise result.fault
        return {path: seen[1] for path, seen in found.items() if seen is not None}

    async def _fs(self) -> Fs:
        """Return the root, with a token that is good for a minute at least."""
        with told():
            bearer = await self._dav.wire.cloud.bearer()
        root = self._root(bearer)
        top = webdav_fs(root, self._name)
        if bearer != self._bearer:
            self._bearer = bearer
            definition = webdav_definition(root, self._name)
            await self._rclone.make_known(definition, top, self._renewed)
        return top

    async def _renewed(self, refusal: RcloneError) -> Definition | None:
        if refusal.fault is not Fault.AUTH or self._bearer is None:
            return None
        with told():
            self._bearer = await self._dav.wire.cloud.renewed(self._bearer)
        return webdav_definition(self._root(self._bearer), self._name)

    def _root(self, bearer: Secret) -> DavRoot:
        wire = self._dav.wire
        return DavRoot(self._name, self._label, self._dav.base, wire.tenant, bearer)
