"""Tells of Basic Memory's own client where it syncs a folder that bm-sync syncs as well.

Two programs that each remember what both sides agreed on take each other's work for edits: files
come back and conflicts multiply. Only files of the user are read: Basic Memory's config.json, its
bisync state, and what starts programs by itself (launch agents, systemd user units).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote

from bm_sync import layout
from bm_sync.errors import UsageError
from bm_sync.manifest.adopt import memory
from bm_sync.manifest.bmignore import NAME
from bm_sync.model.config import Project
from bm_sync.model.report import Finding, Health
from bm_sync.paths import basic_memory_dir, home_dir

_STARTERS = ("Library/LaunchAgents/*.plist", ".config/systemd/user/*.service")
_CALLS = ("bm cloud", "bm project bisync", "bm bisync", "basic-memory cloud", "basic-memory bisync")
_MOST_BYTES = 64 << 10


def beside(projects: Sequence[Project], env: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a warning for each project whose folder Basic Memory's own client syncs, too."""
    folder, home = basic_memory_dir(env), home_dir(env)
    try:
        known = [p for p in memory.read(folder, env).projects if p.cloud and p.folder]
    except UsageError:  # there is none, or nobody can read it: then it syncs nothing, either
        return
    for project in projects:
        for other in known:
            there = Path(str(other.folder).replace("~", str(home), 1))
            if project.local is not None and _touch(project.local, there):
                yield _finding(project, other, folder, home)


def _touch(one: Path, two: Path) -> bool:
    """Return whether one folder is, or lies in, the other."""
    here, there = (Path(os.path.realpath(path)) for path in (one, two))
    return here == there or here in there.parents or there in here.parents


def _finding(project: Project, other: memory.MemoryProject, folder: Path, home: Path) -> Finding:
    signs = [f"project '{other.name}' in {folder / memory.CONFIG}"]
    with suppress(OSError):
        if any((folder / "bisync-state" / other.name).iterdir()):
            signs.append("its bisync state is there")
    signs += [f"{file} starts it" for file in _starters(home)]
    what = f"Basic Memory's own client syncs this folder, too ({'; '.join(signs)})"
    hint = (
        "let only one of both sync it: end what runs `bm cloud` or `bm project bisync` for it, or "
        f"take the project out of {project.origin}; while both run, {layout.HOME}/ has to stand in "
        f"{quote(str(folder / NAME))}"
    )
    return Finding(f"{project.name}: local folder", Health.WARNING, what, hint)


def _starters(home: Path) -> Iterator[Path]:
    """Yield what starts Basic Memory's sync by itself."""
    for pattern in _STARTERS:
        for file in sorted(home.glob(pattern)):
            with suppress(OSError), file.open("rb") as stream:
                text = stream.read(_MOST_BYTES).decode("utf-8", "replace")
                words = " ".join(text.replace("</string>", " ").replace("<string>", " ").split())
                if any(call in words for call in _CALLS):
                    yield file
