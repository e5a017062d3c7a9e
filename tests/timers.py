"""A machine with timers for tests: values, and what systemd itself makes of a unit."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from bm_sync.model.schedule import Calendar, Schedule
from bm_sync.schedule.timer import Timer, TimerHost

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine"
)


def machine(root: Path, **other: object) -> TimerHost:
    """Return a machine whose folders lie below `root`."""
    named = ("-f", str(root / "sync.yaml"), "--state-dir", str(root / "state"))
    words = ("/usr/bin/python3", "-P", "-m", "bm_sync.cli", "apply", "-q", "--yes", *named)
    said: dict[str, object] = {
        "command": words,
        "manifest": root / "sync.yaml",
        "user": "root",
        "host": "laptop",
        "state": root / "state",
    }
    return TimerHost(**{**said, **other})  # type: ignore[arg-type]


def timer(
    root: Path, *calendars: Calendar, projects: tuple[str, ...] = ("notes", "work log"), **o: object
) -> Timer:
    """Return a timer; by default one of every quarter of an hour."""
    when = calendars or (Calendar((0, 15, 30, 45), None),)
    schedule = Schedule("every 15m", when, **o)  # type: ignore[arg-type]
    writable = (root / "state", root / "notes")
    name, here = "bm-sync-0a1b2c3d-every-15m-77aa", machine(root)
    return Timer(name, schedule, projects, here, writable, ("defaults", "tag:one of % these"))


def verified(folder: Path, *names: str, user: bool) -> str:
    """Return what `systemd-analyze verify` says against unit files; nothing when they are right."""
    words = ["systemd-analyze", "verify", "--man=no", *(["--user"] if user else [])]
    # a short path: other packages' units name sockets below it, which must fit 107 bytes
    with tempfile.TemporaryDirectory(prefix="bm-") as runtime:
        done = subprocess.run(
            [*words, *(str(folder / name) for name in names)],
            capture_output=True,
            encoding="utf-8",
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "XDG_RUNTIME_DIR": runtime},
            timeout=120,
            check=False,
        )
    return done.stderr + (f"exit {done.returncode}" if done.returncode else "")


def values(unit: str, key: str) -> list[str]:
    """Return what a unit says for a key, every time."""
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def words(line: str) -> list[str]:
    """Read a command line as systemd.service(5) says: quotes, escapes, specifiers, variables."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
    assert " ".join(f'"{word}"' for word in found) == line
    plain = [re.sub(r"\\(.)", r"\1", word) for word in found]
    assert not any(re.search(r"(?<!%)%(?:%%)*(?!%)", word) for word in plain)
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]
