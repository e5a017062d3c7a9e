"""A project that joins two remotes, driven through the real pipeline, and both sides of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import servers
from machine.bucket import Bucket
from machine.shores import BucketShore, FolderShore, Shore
from pipeline_bench import SHELF, s3

from bm_sync import api, past_api
from bm_sync.model.config import Manifest
from bm_sync.model.past import Undo
from bm_sync.model.plan import Accept, ProjectPlan
from bm_sync.model.report import ProjectCheck, Selection, Setup
from bm_sync.model.run import ProjectRun
from bm_sync.model.tree import Side
from bm_sync.structs import replace

OFF = {"max_delete": {"percent": 100}, "max_overwrite": {"percent": 100}, "empty_side": "allow"}


@dataclass(frozen=True)
class Place:
    """One remote: how a manifest declares it, and its side, seen and edited without bm-sync.

    `stale_s` is for how long its server may tell an old listing.
    """

    declared: dict[str, object]
    shore: Shore
    stale_s: float = 0.0


class Buckets(contextlib.ExitStack):
    """Makes places in test buckets; what looks at them is closed in the end."""

    def at(self, server: servers.Server, root: str, port: int | None = None) -> Place:
        """Return a prefix of the test bucket, by way of a proxy's port."""
        seen = self.enter_context(contextlib.closing(Bucket(server.port)))
        return Place(s3(server, root, port), BucketShore(seen, f"{root}/notes", root))


def folder(home: Path) -> Place:
    """Return a folder remote."""
    return Place(dict(SHELF), FolderShore(home / "cloud" / "notes", home / "cloud"))


def webdav(server: servers.Server, root: str) -> Place:
    """Return a folder of a forgetful WebDAV server, which tells no hashes."""
    assert server.folder is not None
    told = dict(server.options) | {"pass": {"env": "PASSWORD"}}
    base = server.folder / root
    shore = FolderShore(base / "notes", base)
    declared: dict[str, object] = {"type": "webdav", "options": told, "root": root}
    return Place(declared, shore, servers.REMEMBERED_S)


@dataclass
class Pair:
    """The project `notes`, from `near:notes`, kept in sync with `far:notes` (or another path)."""

    home: Path
    near: Place
    far: Place
    policy: dict[str, object] = field(default_factory=lambda: {"guards": OFF})
    gitignore: bool = False
    path: str = "notes"
    source: str = "near:notes"
    clock: int = 1_600_000_000

    def __post_init__(self) -> None:
        self.here, self.there = self.near.shore, self.far.shore
        env = {"HOME": str(self.home / "home"), "PATH": os.environ["PATH"]}
        env |= {"SECRET": servers.SECRET_KEY, "PASSWORD": servers.PASSWORD}
        self.setup = Setup(env=env, state_dir=self.home / "state", host="laptop")

    def manifest(self) -> Manifest:
        """Write what is declared now and load it."""
        said: dict[str, object] = {"from": self.source, "remote": "far", "path": self.path}
        said |= {"policy": self.policy, "filters": ["f"]}
        declared = {
            "version": 1,
            "remotes": {"near": self.near.declared, "far": self.far.declared},
            "filters": {"f": {"gitignore": self.gitignore}},
            "projects": {"notes": said},
        }
        file = self.home / "sync.yaml"
        file.write_text(json.dumps(declared))
        return api.load(file, self.setup).manifest

    def planned(self) -> ProjectPlan:
        """Plan, which changes nothing."""
        self._settle()
        return asyncio.run(api.plan(self.manifest(), Selection(), self.setup)).projects[0]

    def apply(self, accept: Accept | None = None) -> ProjectRun:
        """Apply, and return what was done."""
        self._settle()
        done = asyncio.run(
            api.apply(self.manifest(), Selection(), self.setup, accept=accept or Accept())
        )
        assert done.run is not None
        return done.run.projects[0]

    def undo(self) -> ProjectRun:
        """Take the last run back."""
        self._settle()
        done = asyncio.run(past_api.undo(self.manifest(), Undo(), self.setup))
        assert done.run is not None
        return done.run.projects[0]

    def check(self) -> ProjectCheck:
        """Compare both sides by content."""
        self._settle()
        return asyncio.run(api.check(self.manifest(), Selection(), self.setup))[0]

    def write(self, side: Side, path: str, text: str) -> None:
        """Write a file, each a minute younger than the one before."""
        self.clock += 60
        shore = self.here if side is Side.LOCAL else self.there
        shore.write(path, text.encode(), float(self.clock), aside=False)

    def texts(self, side: Side) -> dict[str, str]:
        """Return what a side holds."""
        shore = self.here if side is Side.LOCAL else self.there
        return {p: e.data.decode() for p, e in sorted(shore.view().files.items())}

    def kept(self) -> set[str]:
        """Return every version that lies in the trash of either side."""
        kept = [item for shore in (self.here, self.there) for item in shore.trash().items()]
        return {data.decode() for path, data in kept if "trash/" in path}

    def other(self, home: Path, host: str) -> Pair:
        """Return another machine with the same project."""
        made = replace(self, home=home)
        made.setup = replace(made.setup, host=host)
        return made

    def _settle(self) -> None:
        time.sleep(max(self.near.stale_s, self.far.stale_s))  # see `Place.stale_s`
