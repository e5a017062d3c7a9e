"""A project of a workspace as others see it, and a world that reaches the workspace by WebDAV."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from machine.histories import LOCAL, REMOTE, History
from machine.lane import Lane
from machine.shores import HOME, Entry, FolderShore, View
from machine.world import World
from standin_server import Standin

from bm_sync import api
from bm_sync.model.report import Selection
from bm_sync.structs import replace

WORKSPACE = "ada"


class DavShore:
    """A project of the stand-in: written as another device does, read from the bucket's folder."""

    has_folders = False

    def __init__(self, cloud: Standin, name: str) -> None:
        self.cloud = cloud
        self.name = name
        self._top = cloud.bucket(WORKSPACE) / name

    def view(self) -> View:
        return View({p: e for p, e in self._all().items() if not p.startswith(f"{HOME}/")})

    def trash(self) -> dict[str, bytes]:
        own = f"{HOME}/"
        return {p.removeprefix(own): e.data for p, e in self._all().items() if p.startswith(own)}

    def write(self, path: str, data: bytes, mtime: float, *, aside: bool) -> None:
        del aside
        self.cloud.put(f"{self.name}/{path}", data, WORKSPACE, mtime)

    def delete(self, path: str) -> None:
        for name in self._below(path):
            self.cloud.delete(f"{self.name}/{name}", WORKSPACE)

    def rename(self, path: str, to: str) -> None:
        for name, entry in self._below(path).items():
            self.write(to + name.removeprefix(path), entry.data, entry.mtime, aside=False)
            self.cloud.delete(f"{self.name}/{name}", WORKSPACE)

    def touch(self, path: str, mtime: float) -> None:
        self.write(path, self._all()[path].data, mtime, aside=False)

    def make_folder(self, path: str) -> None:
        """Make nothing: a bucket has no folders."""

    def block(self, path: str) -> None:
        """Block nothing: every file can be read."""

    def _below(self, path: str) -> dict[str, Entry]:
        return {n: e for n, e in self._all().items() if n == path or n.startswith(f"{path}/")}

    def _all(self) -> dict[str, Entry]:
        found = {}
        for file in sorted(self._top.rglob("*")):
            if file.is_file():
                info = file.stat()
                stamp = (info.st_ino, info.st_mtime_ns, info.st_ctime_ns)
                path = file.relative_to(self._top).as_posix()
                found[path] = Entry(file.read_bytes(), info.st_mtime, stamp, stamp)
        return found


def dav_world(
    folder: Path, histories: Sequence[History], cloud: Standin, runner: asyncio.Runner
) -> World:
    """Return a world whose projects are reached by WebDAV; the workspace is known already."""
    lanes = []
    rows = cloud.look("status")["workspaces"]
    (known,) = ([p["name"] for p in w["projects"]] for w in rows if w["slug"] == WORKSPACE)
    for n, history in enumerate(histories):
        name = f"p{n}"
        if name in known:
            cloud.admin("drop-project", workspace=WORKSPACE, name=name, files=True)
        cloud.admin("add-project", workspace=WORKSPACE, name=name)
        here = FolderShore(folder / "here" / name, folder / "here" / name)
        lanes.append(Lane(name, history, {LOCAL: here, REMOTE: DavShore(cloud, name)}))
    remote = {
        "type": "basic-memory-cloud",
        "workspace": WORKSPACE,
        "transport": "webdav",
        "storage": cloud.storage,
    }
    world = World(folder, remote, lanes)
    world.setup = replace(world.setup, env=cloud.env(folder / "home", key=True))
    runner.run(api.plan(world.declared(), Selection(), world.setup))
    return world
