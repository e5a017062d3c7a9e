"""Projects of Basic Memory Cloud that are reached by WebDAV, in the words of `rclone.client`.

Rclone brings files from there; everything else goes through our own client, because rclone's has
no ETags, no conditions, no listing in one request and no ear for `Retry-After`, and deletes what
stands at a name whose upload was refused. Failures are RcloneError, or SignInError for a person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.cloud.client import Cloud
from bm_sync.cloud.dav import Dav
from bm_sync.cloud.dav_wire import DavError, DavFault, Wire
from bm_sync.engine.dav_faults import told
from bm_sync.engine.dav_project import Abilities, DavProject, Remember, entry
from bm_sync.engine.dav_reading import Reader
from bm_sync.engine.dav_upload import Pace
from bm_sync.engine.dav_writing import Writer
from bm_sync.engine.routed import DAV_TYPE, Routed
from bm_sync.errors import UsageError
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.listing import spoken
from bm_sync.rclone.names import from_standard, is_text
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.transfer import Batch, BatchResult, Condition, OnProgress
from bm_sync.rclone.wire import Features, RemoteEntry, RemoteListing, Removal

Spot = tuple[Fs, str]


class DavWorkspace(Struct, frozen=True):
    """A workspace that is reached by WebDAV: its open cloud, and what its server can do."""

    remote: str
    wire: Wire
    abilities: Abilities


class _Held(Struct, frozen=True):
    """One project with its parts."""

    project: DavProject
    reader: Reader
    writer: Writer


class DavStores:
    """All projects of a run that are reached by WebDAV; `bandwidth` is in bytes per second."""

    def __init__(self, rclone: Routed, bandwidth: int | None) -> None:
        self._rclone = rclone
        self._pace = Pace(bandwidth)
        self._held: dict[str, _Held] = {}

    def workspace(
        self, remote: str, cloud: Cloud, tenant: str, memory: tuple[Mapping[str, bool], Remember]
    ) -> DavWorkspace:
        """Return a workspace of the manifest's remote `remote`; `cloud` stays open.

        `memory` is what is known of its server, and what keeps more.
        """
        return DavWorkspace(remote, Wire(cloud, tenant), Abilities(*memory))

    def root(self, workspace: DavWorkspace, name: str) -> Fs:
        """Return the root of a project by its name on the cloud; nothing is asked yet."""
        if name in {".", ".."}:
            raise UsageError(f"no project of the cloud can be called '{name}'")
        key = f"bm-sync-dav-{len(self._held) + 1}"
        label = f"{workspace.remote}:{name}"
        project = DavProject(Dav(workspace.wire, name), workspace.abilities)
        reader = Reader(self._rclone, project.dav, key, label)
        self._held[key] = _Held(project, reader, Writer(project, self._pace))
        return Fs(workspace.remote, DAV_TYPE, f"{key}:", label)

    async def features(self, fs: Fs) -> Features:
        """Return what the backend can do; nothing is asked."""
        return self._at(fs)[0].project.features()

    async def list_tree(self, fs: Fs, *, by_folder: bool = False) -> RemoteListing:
        """Return every file below `fs`; a missing folder is Fault.MISSING."""
        held, folder = self._at(fs)
        with told():
            return await held.project.tree(folder, by_folder=by_folder)

    async def list_level(self, fs: Fs, folder: str) -> Mapping[str, bool] | None:
        """Return the names directly in a folder, true for folders; None when it is not there."""
        held, place = self._at(fs, folder)
        with told():
            return await held.project.level(place)

    async def look_at(self, fs: Fs, paths: Collection[str]) -> set[str]:
        """Return those of `paths` that are files there, each asked for by itself."""
        held, folder = self._at(fs)
        with told():
            return await held.project.looked_at(folder, [p for p in paths if is_text(p)])

    async def list_some(
        self, fs: Fs, paths: Collection[str], *, mtime: bool
    ) -> dict[str, RemoteEntry]:
        """Return those of `paths` that are files there."""
        held, folder = self._at(fs)
        with told():
            asked = list(dict.fromkeys(path for path in paths if is_text(path)))
            return await held.project.some(folder, asked, timed=mtime)

    async def contents(self, fs: Fs, paths: Collection[str], scratch: Path) -> dict[str, str]:
        """Return the content digests of files; those that are gone are absent."""
        held, folder = self._at(fs)
        return await held.reader.contents(folder, paths, scratch)

    async def stat(self, fs: Fs, path: str) -> RemoteEntry | None:
        """Return what stands at `path`, with its time; it may be a folder."""
        held, place = self._at(fs, path)
        with told():
            file = await held.project.dav.look(place)
            if file is not None:
                return entry(file, timed=True)._replace(path=path)
            if await held.project.dav.is_folder(place):
                return RemoteEntry(path, -1, None, None, is_dir=True)
        return None

    async def copy_batch(
        self,
        places: tuple[Fs, Fs],
        paths: Collection[str],
        opts: Batch,
        on_progress: OnProgress | None,
    ) -> BatchResult:
        """Copy exactly `paths`, up or down."""
        source, target = places
        if target.type == DAV_TYPE:
            held, folder = self._at(target)
            for path in paths:
                spoken(path)
            return await held.writer.batch(source, folder, paths, opts, on_progress)
        held, folder = self._at(source)
        return await held.reader.batch(folder, target, paths, opts, on_progress)

    async def copy_file(
        self, source: Spot, target: Spot, if_match: str | None, *, if_none: bool
    ) -> None:
        """Copy one file up, down, or within a project."""
        if target[0].type != DAV_TYPE:
            held, place = self._at(*source)
            await held.reader.file(place, *target)
            return
        held, place = self._at(*target)
        if source[0].type != DAV_TYPE:
            size = await held.writer.upload(source, place, Condition(if_match, if_none))
            if size is None:
                raise RcloneError("the file has vanished", fault=Fault.MISSING)
            return
        with told():
            await held.writer.copy(self._within(source, held), place, replace=not if_none)

    async def move_file(self, source: Spot, target: Spot) -> None:
        """Move one file within a project."""
        held, place = self._at(*target)
        with told():
            await held.writer.move(self._within(source, held), place)

    async def delete_file(self, fs: Fs, path: str) -> None:
        """Delete one file; Fault.MISSING when there is none."""
        held, place = self._at(fs, path)
        with told():
            await held.writer.delete(place)

    async def mkdir(self, fs: Fs, path: str) -> None:
        """Make a folder with its parents; the project itself is made by the service."""
        held, place = self._at(fs, path)
        if place:
            with told():
                await held.project.dav.make_folder(place)

    async def rmdir(self, fs: Fs, path: str) -> bool:
        """Remove a folder that holds no file; False when it does, or is not there."""
        held, place = self._at(fs, path)
        with told():
            return await held.writer.remove_empty(place)

    async def purge(self, fs: Fs, path: str) -> None:
        """Remove a folder with all it holds; nothing happens when it is not there."""
        held, place = self._at(fs, path)
        with told():
            try:
                await held.project.dav.delete(place)
            except DavError as e:
                if e.fault is not DavFault.MISSING:
                    raise

    async def is_new_told(self, fs: Fs) -> bool:
        """Return whether the server refuses to write a new name that is not new."""
        held, _ = self._at(fs)
        with told():
            return (await held.project.powers()).if_none_match

    async def removal(self, fs: Fs) -> Removal:
        """Return how a file leaves the project while its version is kept.

        Where DELETE is refused, MOVE is not used to get around that.
        """
        held, _ = self._at(fs)
        with told():
            powers = await held.project.powers()
        if not powers.delete:
            return Removal.NONE
        return Removal.MOVE if powers.move else Removal.COPY

    async def reconsider(self, fs: Fs) -> None:
        """Look whether files can be deleted by now, where they could not."""
        held, _ = self._at(fs)
        with told():
            await held.project.reconsider()

    async def ping(self, fs: Fs) -> None:
        """Ask whether the folder is there; raises RcloneError when it is not.

        A workspace without any project is asked for its health.
        """
        held, folder = self._at(fs)
        dav = held.project.dav
        if not dav.project:
            await dav.wire.cloud.health()
            return
        with told():
            if not await dav.is_folder(folder):
                raise RcloneError(f"{fs.label} not found", fault=Fault.MISSING)

    def _at(self, fs: Fs, path: str = "") -> tuple[_Held, str]:
        """Return the project of a place, and where below it `path` is."""
        key, _, rest = fs.root.partition(":")
        folder = from_standard(rest.strip("/")) if rest else ""
        spoken(path)
        return self._held[key], "/".join(part for part in (folder, path) if part)

    def _within(self, source: Spot, held: _Held) -> str:
        """Return where a source is in the project that it is copied within."""
        other, place = self._at(*source)
        assert other is held  # noqa: S101 - the engine copies within one project only
        return place
