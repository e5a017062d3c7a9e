"""What a manifest takes from this machine: programs it starts, files it reads, credentials.

Who takes over the manifest of somebody else wants to know these before anything happens.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from bm_sync.model.origin import Origin


class Taken(StrEnum):
    """What is taken."""

    PROGRAM = "program"
    FILE = "file"
    CREDENTIALS = "credentials"
    """What the environment, or files at known places, hold for all programs of the user."""

    def outside(self) -> str:
        """Return what a manifest of others would do with it, in words."""
        return "starts a program" if self is Taken.PROGRAM else "takes a file or credentials"


class Use(Struct, frozen=True):
    """One use; `what` is the subject of a sentence, such as `the option ssh`.

    `remote` is the remote it is for, None for what a whole run does. `path` is the file, where one
    is named.
    """

    taken: Taken
    what: str
    origin: Origin
    remote: str | None = None
    path: Path | None = None
