"""One declared project, driven through the real pipeline, with everything that can be looked at."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import servers

from bm_sync import api
from bm_sync.model.config import Manifest
from bm_sync.model.plan import Accept, Plan, ProjectPlan
from bm_sync.model.report import Selection, Setup
from bm_sync.model.run import ProjectRun

SHELF: Mapping[str, object] = {"type": "local", "root": "./cloud"}


@dataclass
class Bench:
    """The project `notes` in `folder`: local `./notes`, remote `remote` (a folder by default)."""

    folder: Path
    remote: Mapping[str, object] = field(default_factory=lambda: SHELF)
    policy: dict[str, object] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    gitignore: bool = False

    def __post_init__(self) -> None:
        self.here = self.folder / "notes"
        self.there = self.folder / "cloud" / "notes"
        self.state = self.folder / "state"
        self.here.mkdir(parents=True, exist_ok=True)
        env = {"HOME": str(self.folder / "home"), "PATH": os.environ["PATH"]}
        env["SECRET"] = servers.SECRET_KEY
        self.setup = Setup(env=env, state_dir=self.state, host="laptop")

    def manifest(self) -> Manifest:
        """Write what is declared now and load it."""
        file = self.folder / "sync.yaml"
        project = {"local": "./notes", "filters": ["f"], "policy": self.policy}
        declared = {
            "version": 1,
            "remotes": {"shelf": dict(self.remote)},
            "defaults": {"remote": "shelf"},
            "filters": {"f": {"exclude": list(self.exclude), "gitignore": self.gitignore}},
            "projects": {"notes": project},
        }
        text = json.dumps(declared)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
        return api.load(file, self.setup).manifest

    def plan(self) -> Plan:
        """Plan, which changes nothing."""
        return asyncio.run(api.plan(self.manifest(), Selection(), self.setup))

    def planned(self) -> ProjectPlan:
        """Plan the one project."""
        return self.plan().projects[0]

    def apply(self, accept: Accept | None = None) -> ProjectRun:
        """Apply and return what was done to the one project."""
        done = asyncio.run(
            api.apply(self.manifest(), Selection(), self.setup, accept=accept or Accept())
        )
        assert done.run is not None
        return done.run.projects[0]

    def apply_saved(self, plan: Plan) -> ProjectRun:
        """Apply a saved plan."""
        done = asyncio.run(api.apply_saved(self.manifest(), plan, self.setup))
        assert done.run is not None
        return done.run.projects[0]

    def write(self, *paths: str, text: str = "", where: Path | None = None) -> None:
        """Write files, on the local side unless said otherwise; each holds its name by default."""
        for path in paths:
            file = (where or self.here) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text or f"text of {path}\n")

    def kept(self, run: ProjectRun) -> dict[str, str]:
        """Return the text of every version that a run says it kept, by path."""
        return {a.path: Path(a.kept).read_text() for a in run.actions if a.kept}


def texts(folder: Path) -> dict[str, str]:
    """Return every file below a folder but those of `.bm-sync`."""
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return {n: p.read_text() for n, p in sorted(found.items()) if ".bm-sync" not in n.split("/")}


def everything(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    """Return the stamps of everything below a folder, whatever it is."""
    seen = {}
    for path in sorted([folder, *folder.rglob("*")]):
        info = path.lstat()
        seen[str(path)] = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
    return seen


def s3(server: servers.Server, root: str, port: int | None = None) -> dict[str, object]:
    """Return how a manifest declares a prefix of the test bucket, by way of a proxy's port."""
    options: dict[str, object] = dict(server.options)
    options["secret_access_key"] = {"env": "SECRET"}
    if port is not None:
        options["endpoint"] = f"http://127.0.0.1:{port}"
    return {"type": "s3", "options": options, "root": f"{servers.BUCKET}/{root}"}
