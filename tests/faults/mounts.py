"""Small disks: a tmpfs that fills up, is made read-only, is taken away and comes back."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


@dataclass(frozen=True)
class Disk:
    """A small disk that is mounted at a folder."""

    at: Path

    def change(self, options: str) -> None:
        """Mount it anew with other options, `size=8m` or `ro`."""
        _mount("-o", f"remount,{options}", str(self.at))

    def fill(self) -> Path:
        """Leave no room at all; return the file that takes it."""
        filler = self.at / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        return filler


@contextlib.contextmanager
def disk(at: Path, options: str = "size=1m") -> Iterator[Disk]:
    """Mount a small disk at a folder; skips the test where this user may not mount."""
    at.mkdir(parents=True, exist_ok=True)
    try:
        _mount("-t", "tmpfs", "-o", options, "tmpfs", str(at))
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("only root with the right to mount can make a small disk")
    try:
        yield Disk(at)
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


@contextlib.contextmanager
def bound(what: Path, at: Path) -> Iterator[None]:
    """Show a folder at another place while the block lasts."""
    at.mkdir(parents=True, exist_ok=True)
    _mount("--bind", str(what), str(at))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)
