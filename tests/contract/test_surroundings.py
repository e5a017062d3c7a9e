"""A run does the same whoever starts it: a person, cron, sudo, a service manager."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cli_outside import START, World

# PYTHONUTF8=0 stands for a locale such as de_DE.ISO-8859-1, which not every machine has.
LATIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SURROUNDINGS: dict[str, dict[str, str]] = {
    "a person": {"LANG": "C.UTF-8"},
    "cron": {"LANG": "", "LC_ALL": "", "SHELL": "/bin/sh"},
    "the C locale": {"LC_ALL": "C"},
    "the POSIX locale": {"LC_ALL": "POSIX"},
    "a locale of another encoding": LATIN,
    "a locale that is not there": {"LC_ALL": "xx_XX.ISO-8859-1"},
    "another time zone": {"TZ": "Pacific/Kiritimati"},
}
NAMES = ("é.md", "naïve/ü.md", "日本.md", "plain.md")
DECLARED = (
    "version: 1\nremotes: {shelf: {type: local, root: ./shelf}}\n"
    "projects: {notes: {local: ./notes, remote: shelf}}\n"
)


def run(here: World, more: dict[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*START, *words],
        cwd=here.root,
        env={**here.env, **more},
        capture_output=True,
        timeout=200,
        check=False,
    )


def world(root: Path) -> World:
    here = World(root)
    here.write("sync.yaml", DECLARED)
    for name in NAMES:
        here.write(f"notes/{name}")
    return here


def names(folder: Path) -> list[bytes]:
    """Return the names directly in a folder as they stand on the disk."""
    return [os.fsencode(p.name) for p in folder.iterdir() if p.name != ".bm-sync"]


@pytest.mark.parametrize("who", SURROUNDINGS)
def test_names_are_the_same_bytes_in_every_locale(tmp_path: Path, who: str) -> None:
    here = world(tmp_path)
    done = run(here, SURROUNDINGS[who], "apply", "--yes")
    assert done.returncode == 0, done.stderr
    assert set(names(tmp_path / "shelf/notes")) == set(names(tmp_path / "notes"))
    for other in SURROUNDINGS.values():
        plan = run(here, other, "plan", "--exit-code")
        assert plan.returncode == 0, plan.stdout + plan.stderr
