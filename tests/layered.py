"""Manifests of several files, written below a folder and loaded for a made-up machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bm_sync import manifest
from bm_sync.model.config import Manifest, Project
from bm_sync.model.diagnostic import Diagnostic
from bm_sync.model.setup import Machine

HERE = Machine("desk.example.org", "linux")


@dataclass(frozen=True)
class Files:
    """A folder with a manifest; `sync.yaml` is loaded."""

    root: Path

    def write(self, **texts: str) -> Files:
        """Write files; `team__base` is `team/base.yaml`."""
        for name, text in texts.items():
            file = self.root / f"{name.replace('__', '/')}.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return self

    def load(self, machine: Machine = HERE, **env: str) -> manifest.Loaded:
        """Load the manifest."""
        env = {"HOME": str(self.root / "home"), **env}
        file = self.root / "sync.yaml"
        return manifest.load(file, env, state_dir=self.root / "state", machine=machine)

    def project(self, name: str, machine: Machine = HERE, **env: str) -> Project:
        """Return one project of the manifest."""
        return one(self.load(machine, **env).manifest, name)

    def slips(self, machine: Machine = HERE, **env: str) -> tuple[Diagnostic, ...]:
        """Return what is wrong with the manifest, warnings too."""
        try:
            return self.load(machine, **env).warnings
        except manifest.ManifestError as e:
            return e.diagnostics

    def told(self, machine: Machine = HERE, **env: str) -> list[str]:
        """Return what is wrong as `file:line code`."""
        slips = self.slips(machine, **env)
        return [f"{Path(s.file).relative_to(self.root)}:{s.line} {s.code}" for s in slips]


def one(loaded: Manifest, name: str) -> Project:
    """Return one project by its name."""
    return next(project for project in loaded.projects if project.name == name)
