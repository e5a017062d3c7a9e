"""Commands of the user that run around a project or around a whole run.

A command is never put together from names or paths: they reach it as variables of its environment.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from bm_sync.model.origin import Origin

TIMEOUT_S = 300.0

RUN_FACTS = (
    *("hook", "run", "host", "manifest", "state_dir"),
    *("exit", "projects", "changed", "failed", "stopped", "skipped"),
)
"""What a hook of the run is told; the last four are names of projects, one a line."""

PROJECT_FACTS = (
    *("hook", "run", "host", "manifest", "state_dir"),
    *("project", "local", "remote", "mode", "tags"),
    *("status", "exit", "message", "up", "down", "deleted", "conflicts", "problems"),
    *("bytes_up", "bytes_down", "files", "seconds"),
)
"""What a hook of a project is told; what a run knows only at its end is empty before."""


class Moment(StrEnum):
    """When a hook runs."""

    BEFORE = "before"
    AFTER = "after"
    ON_CHANGE = "on_change"
    ON_ERROR = "on_error"
    ON_STOP = "on_stop"


class Hook(Struct, frozen=True):
    """One command for `/bin/sh -c`.

    `said` is what the manifest says, `script` the same with references to facts quoted. `folder` is
    where it runs. `variables` are those of the manifest's `vars` that it uses.
    """

    moment: Moment
    said: str
    script: str
    folder: Path
    origin: Origin
    timeout_s: float = TIMEOUT_S
    variables: tuple[tuple[str, str], ...] = ()


def variable(fact: str) -> str:
    """Return the name of the environment variable that holds a fact."""
    return f"BM_SYNC_{fact.upper()}"
