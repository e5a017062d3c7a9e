"""rclone, and beside it our own WebDAV client for the places that rclone cannot serve well.

Whoever asks need not know which of both answers: the type of the place decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bm_sync.rclone.client import Rclone
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.transfer import PLAIN, Batch, BatchResult, OnProgress
from bm_sync.rclone.wire import Features, RemoteEntry, RemoteListing, Removal

if TYPE_CHECKING:
    from bm_sync.engine.dav import DavStores

DAV_TYPE = "basic-memory-webdav"
"""The type of the places that our own client serves."""


class Routed(Rclone):
    """An rclone that hands some places to another; methods mean what they mean at `Rclone`."""

    dav: DavStores | None = None
    upload_limit: int | None = None
    """Bytes per second for what does not go through rclone; None is without limit."""

    async def rest(self) -> None:
        """Close what one command opened; the daemon goes on."""
        self.dav = None
        await self.closing.aclose()

    def _for(self, *places: Fs) -> DavStores | None:
        """Return who serves these places, None for rclone itself."""
        return self.dav if any(fs.type == DAV_TYPE for fs in places) else None

    async def features(self, fs: Fs) -> Features:
        """Return what the backend can do."""
        other = self._for(fs)
        return await (other.features(fs) if other else super().features(fs))

    async def list_tree(
        self, fs: Fs, *, features: Features, by_folder: bool = False
    ) -> RemoteListing:
        """Return everything below `fs`."""
        other = self._for(fs)
        if other:
            return await other.list_tree(fs, by_folder=by_folder)
        return await super().list_tree(fs, features=features, by_folder=by_folder)

    async def list_level(
        self, fs: Fs, folder: str, *, features: Features
    ) -> Mapping[str, bool] | None:
        """Return the names directly in a folder."""
        other = self._for(fs)
        if other:
            return await other.list_level(fs, folder)
        return await super().list_level(fs, folder, features=features)

    async def look_at(self, fs: Fs, paths: Collection[str], *, features: Features) -> set[str]:
        """Return those of `paths` that are files there, each asked for by itself."""
        other = self._for(fs)
        if other:
            return await other.look_at(fs, paths)
        return await super().look_at(fs, paths, features=features)

    async def list_some(
        self, fs: Fs, paths: Collection[str], *, features: Features, mtime: bool, content: bool
    ) -> dict[str, RemoteEntry]:
        """Return those of `paths` that are files there."""
        other = self._for(fs)
        if other:
            return await other.list_some(fs, paths, mtime=mtime)
        return await super().list_some(fs, paths, features=features, mtime=mtime, content=content)

    async def contents(
        self, fs: Fs, paths: Collection[str], *, features: Features, scratch: Path
    ) -> dict[str, str]:
        """Return the content digests of files whose listing has none."""
        other = self._for(fs)
        if other:
            return await other.contents(fs, paths, scratch)
        return await super().contents(fs, paths, features=features, scratch=scratch)

    async def stat(
        self, fs: Fs, path: str, *, features: Features | None = None
    ) -> RemoteEntry | None:
        """Return what stands at `path`."""
        other = self._for(fs)
        return await (other.stat(fs, path) if other else super().stat(fs, path, features=features))

    async def copy_batch(
        self,
        src: Fs,
        dst: Fs,
        paths: Collection[str],
        opts: Batch = PLAIN,
        on_progress: OnProgress | None = None,
    ) -> BatchResult:
        """Copy exactly `paths`."""
        other = self._for(src, dst)
        if other:
            return await other.copy_batch((src, dst), paths, opts, on_progress)
        return await super().copy_batch(src, dst, paths, opts, on_progress)

    async def copy_file(  # noqa: PLR0913 - two places and a condition
        self,
        src: Fs,
        src_path: str,
        dst: Fs,
        dst_path: str,
        *,
        if_match: str | None = None,
        if_none: bool = False,
    ) -> None:
        """Copy one file."""
        other = self._for(src, dst)
        if other:
            await other.copy_file((src, src_path), (dst, dst_path), if_match, if_none=if_none)
        else:
            await super().copy_file(
                src, src_path, dst, dst_path, if_match=if_match, if_none=if_none
            )

    async def move_file(self, src: Fs, src_path: str, dst: Fs, dst_path: str) -> None:
        """Move one file."""
        other = self._for(src, dst)
        if other:
            await other.move_file((src, src_path), (dst, dst_path))
        else:
            await super().move_file(src, src_path, dst, dst_path)

    async def delete_file(self, fs: Fs, path: str) -> None:
        """Delete one file."""
        other = self._for(fs)
        await (other.delete_file(fs, path) if other else super().delete_file(fs, path))

    async def mkdir(self, fs: Fs, path: str) -> None:
        """Make a folder with its parents."""
        other = self._for(fs)
        await (other.mkdir(fs, path) if other else super().mkdir(fs, path))

    async def rmdir(self, fs: Fs, path: str) -> bool:
        """Remove an empty folder; False when it is not empty or not there."""
        other = self._for(fs)
        return await (other.rmdir(fs, path) if other else super().rmdir(fs, path))

    async def purge(self, fs: Fs, path: str) -> None:
        """Remove a folder with all it holds."""
        other = self._for(fs)
        await (other.purge(fs, path) if other else super().purge(fs, path))

    async def supports_conditions(self, fs: Fs) -> bool:
        """Return whether a new name can be written on the condition that it is new."""
        other = self._for(fs)
        return await (other.is_new_told(fs) if other else super().supports_conditions(fs))

    async def removal(self, fs: Fs) -> Removal:
        """Return how a file leaves the remote while its version is kept."""
        other = self._for(fs)
        return await other.removal(fs) if other else Removal.COPY

    async def reconsider(self, fs: Fs) -> None:
        """Look whether files can be deleted by now, where a deletion had to wait."""
        other = self._for(fs)
        if other:
            await other.reconsider(fs)

    async def clock_skew_s(self, fs: Fs) -> float | None:
        """Return how far the store's clock is ahead; WebDAV does not tell."""
        return None if self._for(fs) else await super().clock_skew_s(fs)

    async def age_s(self, fs: Fs, path: str) -> float | None:
        """Return how long ago a file was written, by the store's clock; WebDAV does not tell."""
        return None if self._for(fs) else await super().age_s(fs, path)

    async def ping(self, fs: Fs) -> None:
        """Ask the remote for something small; raises RcloneError when it fails."""
        other = self._for(fs)
        await (other.ping(fs) if other else super().ping(fs))
