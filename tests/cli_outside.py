"""Runs the real `bm-sync` in a world of its own: files in; exit code, stdout and stderr out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START = (sys.executable, "-c", "from bm_sync.cli.main import main; raise SystemExit(main())")

MANIFEST = """\
version: 1
remotes:
  shelf: {type: local, root: ./cloud}
policies:
  careful: {mode: two-way, guards: {max_delete: 2, max_overwrite: 50}}
defaults: {remote: shelf, policy: careful}
projects:
  notes: {local: ./notes, tags: [daily]}
  work log: {local: ./work, path: work}
"""


@dataclass(frozen=True)
class Said:
    """What one command line answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the command answers
        """Return the envelope."""
        return json.loads(self.out)


@dataclass(frozen=True)
class World:
    """A home with a manifest and two projects."""

    root: Path

    @property
    def env(self) -> dict[str, str]:
        """Return an environment without anything of the user who runs the tests."""
        kept = {key: os.environ[key] for key in ("PATH", "TMPDIR") if key in os.environ}
        pythonpath = os.pathsep.join(path for path in sys.path if path)
        return {
            **kept,
            "PYTHONPATH": pythonpath,
            "PYTHONWARNINGS": "error",
            "HOME": str(self.root),
            "TZ": "UTC",
            "TERM": "xterm",
            "COLUMNS": "100",
        }

    def run(self, *words: str, stdin: str = "", **env: str) -> Said:
        """Run one command line, without a terminal."""
        done = subprocess.run(
            [*START, *words],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            cwd=self.root,
            env={**self.env, **env},
            timeout=120,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def paste(self, command: str) -> Said:
        """Run a command line as a person who pastes it into a shell."""
        bin_folder = self.root / "bin"
        bin_folder.mkdir(exist_ok=True)
        script = bin_folder / "bm-sync"
        script.write_text(f'#!/bin/sh\nexec "{START[0]}" -c "{START[2]}" "$@"\n')
        script.chmod(0o755)
        done = subprocess.run(
            ["bash", "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            cwd=self.root,
            env={**self.env, "PATH": f"{bin_folder}:{self.env['PATH']}"},
            timeout=120,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def write(self, path: str, text: str = "text\n") -> None:
        """Write a file below the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def files(self, folder: str) -> dict[str, str]:
        """Return what lies below a folder, by path, without what bm-sync keeps for itself."""
        top = self.root / folder
        return {
            path: file.read_text(encoding="utf-8")
            for file in sorted(top.rglob("*"))
            if file.is_file() and ".bm-sync" not in (path := file.relative_to(top).as_posix())
        }


def world(root: Path) -> World:
    """Make a world with two projects of three files and one."""
    made = World(root)
    made.write("sync.yaml", MANIFEST)
    for path in ("notes/a.md", "notes/b c.md", "notes/daily/d.md", "work/w.md"):
        made.write(path, f"{path}\n")
    return made
