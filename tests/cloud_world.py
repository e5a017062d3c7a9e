"""A user of a stand-in of the cloud with a manifest, driven through the real pipeline."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from standin_server import Standin

from bm_sync import api
from bm_sync.cloud.facts import Facts, read
from bm_sync.model.config import CloudRemote, Manifest
from bm_sync.model.plan import Accept, Plan, ProjectPlan
from bm_sync.model.report import Selection, Setup
from bm_sync.model.run import ProjectRun, Run


@dataclass
class CloudWorld:
    """One machine of ada, in `folder`: `projects` with their keys, folders `./<name>` unless said.

    `remote` adds keys to the remote `cloud`.
    """

    folder: Path
    cloud: Standin
    projects: dict[str, dict[str, object]] = field(default_factory=lambda: {"notes": {}})
    remote: dict[str, object] = field(default_factory=dict)
    policy: dict[str, object] = field(default_factory=dict)
    filters: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state"
        env = self.cloud.env(self.folder / "home", key=True)
        self.setup = Setup(env=env, state_dir=self.state, host="laptop")

    def manifest(self) -> Manifest:
        """Write what is declared now and load it."""
        remote = {"type": "basic-memory-cloud", "storage": self.cloud.storage, **self.remote}
        projects = {
            name: {"local": f"./{name}", **keys} if "local" not in keys else _declared(keys)
            for name, keys in self.projects.items()
        }
        patient = {"retry": {"attempts": 4, "max_wait": "1s"}}
        declared = {
            "version": 1,
            "remotes": {"cloud": remote},
            "filters": {"f": self.filters},
            "policies": {"p": {**patient, **self.policy}},
            "defaults": {"remote": "cloud", "policy": "p", "filters": ["f"]},
            "projects": projects,
        }
        file = self.folder / "sync.yaml"
        file.write_text(json.dumps(declared))
        return api.load(file, self.setup).manifest

    def plan(self) -> Plan:
        """Plan, which changes nothing."""
        return asyncio.run(api.plan(self.manifest(), Selection(), self.setup))

    def planned(self, name: str = "notes") -> ProjectPlan:
        """Plan and return the plan of one project."""
        return next(p for p in self.plan().projects if p.project == name)

    def run(self, accept: Accept | None = None) -> Run:
        """Apply everything and return the record."""
        done = asyncio.run(
            api.apply(self.manifest(), Selection(), self.setup, accept=accept or Accept())
        )
        assert done.run is not None
        return done.run

    def apply(self, name: str = "notes", accept: Accept | None = None) -> ProjectRun:
        """Apply everything and return what was done to one project."""
        return next(p for p in self.run(accept).projects if p.project == name)

    def apply_saved(self, plan: Plan) -> Run:
        """Apply a saved plan."""
        done = asyncio.run(api.apply_saved(self.manifest(), plan, self.setup))
        assert done.run is not None
        return done.run

    def facts(self) -> Facts | None:
        """Return what is remembered of the remote."""
        (remote,) = self.manifest().remotes
        assert isinstance(remote, CloudRemote)
        return read(self.state, remote)

    def write(self, path: str, text: str = "") -> None:
        """Write a file on this machine; it holds its name by default."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text or f"text of {path}\n")

    def texts(self, name: str = "notes") -> dict[str, str]:
        """Return the files of a project on this machine."""
        top = self.folder / name
        found = {p.relative_to(top).as_posix(): p for p in top.rglob("*") if p.is_file()}
        return {n: p.read_text() for n, p in sorted(found.items()) if ".bm-sync" not in n}

    def there(self, prefix: str = "notes", workspace: str = "ada") -> dict[str, str]:
        """Return the files of a project in the bucket."""
        return {n: c.decode() for n, c in self.cloud.files(prefix, workspace).items()}


def _declared(keys: Mapping[str, object]) -> dict[str, object]:
    """Return the keys of a project; `local: None` means that it has no local folder."""
    return {key: value for key, value in keys.items() if (key, value) != ("local", None)}
