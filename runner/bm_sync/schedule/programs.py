"""Runs the programs of timer services: systemctl, launchctl, crontab."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bm_sync import files
from bm_sync.errors import BmSyncError, UsageError

_TIMEOUT_S = 90.0
READABLE = 0o644  # a system's service manager reads units as root, `systemctl cat` as anybody
TIMER = files.Kind(
    "a timer of bm-sync",
    re.compile(rb"(?s)# Made by bm-sync schedule install for |.*<string>bm-sync-"),
    "timer",
    READABLE,
)


class ProgramEnd(Struct, frozen=True):
    """How a program ended; `said` is its standard error, else its standard output, in one line."""

    code: int
    out: str
    said: str


class Programs(Struct, frozen=True):
    """The programs that `env` finds, run in that environment."""

    env: Mapping[str, str]

    def has(self, name: str) -> bool:
        """Return whether a program is there."""
        return shutil.which(name, path=self.env.get("PATH")) is not None

    def ask(self, *words: str, stdin: str = "") -> ProgramEnd:
        """Run a program and return how it ended; raises UsageError when it is not there."""
        program = shutil.which(words[0], path=self.env.get("PATH"))
        if program is None:
            what = f"{words[0]} is not on this machine"
            raise UsageError(what, hint="choose another one: --target systemd, launchd or cron")
        try:
            done = subprocess.run(  # noqa: S603 - found above, without a shell
                [program, *words[1:]],
                input=stdin.encode("utf-8", "surrogateescape"),
                capture_output=True,
                env={**self.env, "LC_ALL": "C.UTF-8"},
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as e:
            raise BmSyncError(f"{words[0]} gave no answer in {_TIMEOUT_S:.0f} s") from e
        except OSError as e:
            raise BmSyncError(f"{words[0]} cannot be run: {e.strerror}") from e
        out = done.stdout.decode("utf-8", "surrogateescape")
        err = done.stderr.decode("utf-8", "surrogateescape")
        return ProgramEnd(done.returncode, out, " ".join((err or out).split()))

    def run(self, *words: str, stdin: str = "") -> ProgramEnd:
        """Run a program that must succeed; raises BmSyncError with what it said."""
        done = self.ask(*words, stdin=stdin)
        if done.code:
            raise BmSyncError(f"{' '.join(words)} failed: {done.said or done.code}")
        return done


def write(file: Path, text: str, kind: files.Kind = TIMER) -> None:
    """Put a file in place in one step; raises BmSyncError when that is not possible.

    What is there and is not of the kind is never replaced.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BmSyncError(f"cannot write {file}: {e.strerror}", hint=_may_need_root(file)) from e
    hint = _may_need_root(file) or "move it away, then run this again"
    with files.replacing(file, kind, hint=hint, mode=kind.mode) as stream:
        stream.write(text)


def remove(file: Path) -> None:
    """Remove a file; raises BmSyncError when that is not possible."""
    try:
        file.unlink(missing_ok=True)
    except OSError as e:
        raise BmSyncError(f"cannot remove {file}: {e.strerror}", hint=_may_need_root(file)) from e


def texts(folder: Path, begin: str, endings: tuple[str, ...]) -> dict[str, str]:
    """Return the files in a folder whose names begin and end so."""
    found = {}
    for file in sorted(folder.glob(f"{begin}*")):
        if file.suffix in endings and file.is_file():
            try:
                found[file.name] = file.read_text("utf-8", "surrogateescape")
            except OSError as e:
                raise BmSyncError(f"cannot read {file}: {e.strerror}") from e
    return found


def _may_need_root(file: Path) -> str | None:
    return "run this as root, or use --target systemd" if file.is_relative_to("/etc") else None
