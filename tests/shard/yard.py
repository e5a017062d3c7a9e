"""Projects that join two places of one object store, synced by pods that share nothing else."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import servers
from machine.bucket import Bucket
from pipeline_bench import s3

from bm_sync import api
from bm_sync.engine.identity import project_key
from bm_sync.model.config import Manifest
from bm_sync.model.plan import Plan, ProjectPlan
from bm_sync.model.report import Applied, Selection, Setup
from bm_sync.model.run import Event, ProjectRun
from bm_sync.state.portable import Wanted
from bm_sync.state.store import State

OFF = {"max_delete": {"percent": 100}, "max_overwrite": {"percent": 100}, "empty_side": "allow"}


@dataclass
class Yard:
    """A manifest of projects from `in/NAME` to `out/NAME`, below a root of their own in a bucket.

    `home` declares where the state lies when that is not the store. `port` is a proxy's before it.
    """

    folder: Path
    server: servers.Server
    names: tuple[str, ...] = ("notes",)
    lease: str = "2m"
    home: Mapping[str, object] | None = None
    policy: dict[str, object] = field(default_factory=dict)
    port: int | None = None

    def __post_init__(self) -> None:
        self.file = self.folder / "sync.yaml"
        self.root = f"w/{self.folder.name}"
        retry = {"attempts": 4, "max_wait": "1s"}
        declared = {
            "version": 1,
            "remotes": {
                "inner": s3(self.server, f"{self.root}/in", self.port),
                "outer": s3(self.server, f"{self.root}/out", self.port),
                "store": self.home or s3(self.server, self.root, self.port),
            },
            "state": {"remote": "store", "lease": self.lease},
            "policies": {"plain": {"guards": OFF, "retry": retry, **self.policy}},
            "defaults": {"remote": "outer", "policy": "plain"},
            "projects": {n: {"from": f"inner:{n}", "path": n} for n in self.names},
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(declared))

    def pod(self, name: str) -> Pod:
        """Return a pod with a disk of its own."""
        return Pod(self, self.folder / name)

    def put(self, path: str, data: str | bytes) -> None:
        """Write an object: `in/notes/a.md`."""
        body = data.encode() if isinstance(data, str) else data
        with closing(Bucket(self.server.port)) as bucket:
            bucket.put(f"{self.root}/{path}", body, 1_700_000_000.0)

    def delete(self, path: str) -> None:
        """Delete an object."""
        with closing(Bucket(self.server.port)) as bucket:
            bucket.delete(f"{self.root}/{path}")

    def objects(self, folder: str = "") -> dict[str, tuple[object, ...]]:
        """Return ETag, size and time of every object, by its path."""
        with closing(Bucket(self.server.port)) as bucket:
            found = bucket.list(f"{self.root}/{folder}")
        return {key.removeprefix(f"{self.root}/"): told for key, told in found.items()}

    def get(self, path: str) -> bytes:
        """Return an object."""
        with closing(Bucket(self.server.port)) as bucket:
            return bucket.get(f"{self.root}/{path}")[0]

    def side(self, folder: str) -> dict[str, str]:
        """Return the text of every object of a side, by its path there, without kept versions."""
        found = [p for p in self.objects(f"{folder}/") if "/.bm-sync/" not in p]
        return {p.removeprefix(f"{folder}/"): self.get(p).decode() for p in found}

    def state_of(self, name: str) -> str:
        """Return the folder that holds the state of a project."""
        manifest = self.pod("nobody").manifest()
        (project,) = (p for p in manifest.projects if p.name == name)
        return f".bm-sync/state/{project_key(project)}"

    def fetched(self, name: str, into: Path) -> State:
        """Return the state of a project as it lies in the store, opened in a folder of its own."""
        key = self.state_of(name).rpartition("/")[2]
        state = State.open(into)
        assert state.take_in(Wanted(key), self.get(f"{self.state_of(name)}/state.db")) == 0
        return state


@dataclass(frozen=True)
class Pod:
    """A machine that may vanish at any time."""

    yard: Yard
    home: Path

    @property
    def setup(self) -> Setup:
        """Return the surroundings of the pod."""
        return Setup(env=environment(self.home), state_dir=self.home / "state", host=self.home.name)

    def manifest(self) -> Manifest:
        """Load the manifest."""
        return api.load(self.yard.file, self.setup).manifest

    def apply(
        self,
        *,
        confirm: Callable[[Plan], bool] = lambda _: True,
        on_event: Callable[[Event], None] = lambda _: None,
        wait_s: float = 0.0,
    ) -> Applied:
        """Apply, and return all there is to tell."""
        given = (self.manifest(), Selection(), self.setup)
        return asyncio.run(api.apply(*given, confirm=confirm, on_event=on_event, wait_s=wait_s))

    def run(self, *, wait_s: float = 0.0) -> ProjectRun:
        """Apply, and return what was done to the only project."""
        done = self.apply(wait_s=wait_s).run
        assert done is not None
        (run,) = done.projects
        return run

    def plan(self) -> ProjectPlan:
        """Return the plan of the only project."""
        (plan,) = asyncio.run(api.plan(self.manifest(), Selection(), self.setup)).projects
        return plan


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a pod."""
    return {"HOME": str(home), "PATH": os.environ["PATH"], "SECRET": servers.SECRET_KEY}


def kinds(run: ProjectRun | ProjectPlan) -> list[str]:
    """Return what was done or is to be done, one word for each action."""
    assert not isinstance(run, ProjectRun) or run.exit == 0, run
    return [action.kind for action in run.actions if action.kind not in ("adopt", "forget")]
