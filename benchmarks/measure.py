"""Times whole processes side by side: A B A B ..., the ratio of each pair, the medians.

Only ratios and counts are meant to be quoted; the machine's speed drifts.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(sysconfig.get_path("scripts"))
BM_SYNC = str(SCRIPTS / "bm-sync")
RCLONE = str(SCRIPTS / "rclone")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, the figure, what it has to be."""

    what: str
    figure: str
    target: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A scratch directory with an environment of its own."""

    root: Path

    @property
    def env(self) -> Mapping[str, str]:
        """Return an environment in which nothing of the user is touched."""
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        return {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "BM_SYNC_STATE_DIR": str(self.root / "state"),
            "RCLONE_CONFIG": "/dev/null",
        }

    def run(self, *command: str, ok: Sequence[int] = (0,)) -> float:
        """Run a command and return its seconds; an exit code not in `ok` ends the benchmark."""
        begun = time.perf_counter()
        done = subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, check=False
        )
        taken = time.perf_counter() - begun
        if done.returncode not in ok:
            raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return taken


def pairs(
    one: Callable[[], float], two: Callable[[], float], rounds: int
) -> tuple[float, float, float]:
    """Time both in turn; return the median seconds of each and the median of two / one."""
    times = [(one(), two()) for _ in range(rounds)]
    ratios = [b / a for a, b in times]
    return (
        statistics.median(a for a, _ in times),
        statistics.median(b for _, b in times),
        statistics.median(ratios),
    )


def median(act: Callable[[], float], rounds: int) -> float:
    """Return the median seconds of one command."""
    return statistics.median(act() for _ in range(rounds))


def fill(folder: Path, files: int, size: int, per_folder: int = 100) -> None:
    """Write `files` different files of `size` bytes."""
    for number in range(files):
        home = folder / f"d{number // per_folder:04d}"
        if number % per_folder == 0:
            home.mkdir(parents=True, exist_ok=True)
        text = f"{number:012d}".encode()
        (home / f"note {number:06d}.md").write_bytes(text + b"x" * (size - len(text)))
