"""Machines that share one remote: each has a folder, a state directory and a host name of its own.

They are driven through the real pipeline (`bm_sync.api`), with the real rclone.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import servers

from bm_sync import api
from bm_sync.model.config import (
    BUILT_IN,
    Direction,
    FilterSet,
    FolderRemote,
    Guards,
    Limit,
    Links,
    Manifest,
    Mode,
    Policy,
    Project,
    Remote,
)
from bm_sync.model.plan import ProjectPlan
from bm_sync.model.report import Selection, Setup
from bm_sync.model.run import Done, Event, ProjectRun
from bm_sync.model.tree import Side
from bm_sync.structs import replace

UNGUARDED = Guards(max_delete=Limit(), max_overwrite=Limit(), empty_side="allow")
FOLDERS, BUCKETS = ("folder",), ("serve_s3", "seaweedfs")
SERVERS = ("serve_webdav", "serve_sftp")
EVERYWHERE = (*FOLDERS, *BUCKETS, *SERVERS)


@dataclass(frozen=True)
class Machine:
    """One machine with one project; it waits `stale_s` until a server tells what was edited."""

    home: Path
    remote: Remote
    policy: Policy = field(default_factory=lambda: Policy("test", guards=UNGUARDED))
    filters: FilterSet = FilterSet()
    stale_s: float = 0.0
    more_env: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Return the project's local folder."""
        return self.home / "notes"

    @property
    def setup(self) -> Setup:
        """Return the surroundings of the machine."""
        env = {"HOME": str(self.home), "PATH": os.environ["PATH"], **self.more_env}
        return Setup(env=env, state_dir=self.home / "state", host=self.home.name)

    @property
    def manifest(self) -> Manifest:
        """Return the manifest that declares the project."""
        project = Project(
            name="notes",
            local=self.folder,
            remote=self.remote,
            path="notes",
            policy=self.policy,
            filters=self.filters,
            tags=(),
            origin=BUILT_IN,
        )
        return Manifest(self.home / "sync.yaml", "0" * 64, (self.remote,), (project,))

    def having(self, mode: Mode, direction: Direction = Direction.UP) -> Machine:
        """Return the same machine with another mode."""
        return replace(self, policy=replace(self.policy, mode=mode, direction=direction))

    def following(self) -> Machine:
        """Return the same machine, following links."""
        return replace(self, filters=replace(self.filters, links=Links.FOLLOW))

    def apply(self, on_event: Callable[[Event], None] = lambda _: None) -> ProjectRun:
        """Apply, and return what was done to the project."""
        return asyncio.run(self.applying(on_event))

    async def applying(self, on_event: Callable[[Event], None] = lambda _: None) -> ProjectRun:
        """Apply within a running loop."""
        await asyncio.sleep(self.stale_s)
        applied = await api.apply(self.manifest, Selection(), self.setup, on_event=on_event)
        assert applied.run is not None
        (run,) = applied.run.projects
        return run

    def plan(self) -> ProjectPlan:
        """Return the plan that an apply would carry out."""
        (plan,) = asyncio.run(api.plan(self.manifest, Selection(), self.setup)).projects
        return plan

    def remote_names(self) -> list[str]:
        """Return the paths of the files on the remote."""
        listing = asyncio.run(api.listing(self.manifest, "notes", Side.REMOTE, self.setup))
        return sorted(e.path for e in listing.entries if not e.is_dir)

    def write(self, path: str, content: str | bytes = "content") -> Path:
        """Write a file of the project, folders included."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def files(self) -> dict[str, bytes]:
        """Return every file of the project's folder by its path."""
        return files_in(self.folder)


def files_in(folder: Path) -> dict[str, bytes]:
    """Return every plain file below a folder by its path, bm-sync's own left out."""
    return {
        os.path.relpath(file, folder): file.read_bytes()
        for base, folders, names in os.walk(folder)
        if _without_own(folders)
        for file in (Path(base, name) for name in names)
        if file.is_file() and not file.is_symlink()
    }


def _without_own(folders: list[str]) -> bool:
    folders[:] = [name for name in folders if name != ".bm-sync"]
    return True


def folders_in(folder: Path) -> set[str]:
    """Return every folder below a folder, bm-sync's own left out."""
    return {
        os.path.relpath(Path(base, name), folder)
        for base, folders, _ in os.walk(folder)
        if _without_own(folders)
        for name in folders
    }


def remote_of(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Remote:
    """Return a fresh place on a remote of this kind: a folder, or one of the servers."""
    if kind == "folder":
        return FolderRemote("shelf", tmp_path / "shelf")
    server: servers.Server = request.getfixturevalue(kind)
    return server.remote("/".join(part for part in (server.root, tmp_path.name) if part))


def converged(run: ProjectRun) -> ProjectRun:
    """Assert that a run did all it planned and nothing is in the way."""
    assert run.exit == 0, trouble(run)
    return run


def quiet(machine: Machine) -> None:
    """Assert that an apply finds nothing to do and changes no file."""
    before = stamps(machine.folder)
    run = converged(machine.apply())
    assert run.actions == ()
    assert stamps(machine.folder) == before


def stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return inode, size and time of every file below a folder."""
    found = {}
    for path in files_in(folder):
        info = (folder / path).lstat()
        found[path] = (info.st_ino, info.st_size, info.st_mtime_ns)
    return found


def trouble(run: ProjectRun) -> str:
    """Return everything that was in the way, for the message of an assertion."""
    missed = [a for a in run.actions if a.outcome != "done"]
    return f"{run.status} {run.message} {run.problems} {run.stops} {missed}"


def done(run: ProjectRun, kind: str) -> list[Done]:
    """Return the actions of one kind that were done."""
    return [a for a in run.actions if a.kind == kind and a.outcome == "done"]
