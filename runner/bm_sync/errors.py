"""Every error that leaves a room, one class for each exit code or each thing a caller may catch.

A message says what failed, on which project and path; the hint says what to run or change next.
Texts never contain secrets: adapters redact before they raise.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """The exit codes of the command line.

    When several apply, see `worst`. 75 is EX_TEMPFAIL of sysexits.h.
    """

    OK = 0
    FAILED = 1
    USAGE = 2
    STOPPED = 3
    NOT_SIGNED_IN = 4
    LOCKED = 5
    RCLONE = 6
    STALE = 8
    PENDING = 10
    BUG = 70
    SKIPPED = 75
    INTERRUPTED = 130


_SERIOUS_FIRST = (
    Exit.BUG,
    Exit.INTERRUPTED,
    Exit.USAGE,
    Exit.RCLONE,
    Exit.NOT_SIGNED_IN,
    Exit.STALE,
    Exit.FAILED,
    Exit.STOPPED,
    Exit.LOCKED,
    Exit.SKIPPED,
    Exit.PENDING,
    Exit.OK,
)


def worst(codes: list[Exit]) -> Exit:
    """Return the code of the most serious project; `Exit.OK` when there is none."""
    return min(codes, key=_SERIOUS_FIRST.index, default=Exit.OK)


class BmSyncError(Exception):
    """Something the user can understand and act on; never a bug."""

    exit: ClassVar[Exit] = Exit.FAILED
    passes: bool = False
    """Whether it may pass by itself, so that the same may be tried again."""

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(BmSyncError):
    """The command line asks for something that cannot be."""

    exit = Exit.USAGE


class StateError(BmSyncError):
    """The state directory cannot be used (permissions, a newer version, no space)."""


class LockedError(BmSyncError):
    """Another run holds a project."""

    exit = Exit.LOCKED


class RcloneMissingError(BmSyncError):
    """Rclone is missing, too old, or cannot be started or reached."""

    exit = Exit.RCLONE


class NotSignedInError(BmSyncError):
    """No usable sign-in at the cloud service, or no subscription; a person has to act."""

    exit = Exit.NOT_SIGNED_IN


class PinnedError(BmSyncError):
    """A remote answers for another place than the one that was met first; nothing may move."""

    exit = Exit.STOPPED


class StalePlanError(BmSyncError):
    """A saved plan no longer fits what is there."""

    exit = Exit.STALE


class SecretError(BmSyncError):
    """A secret that the manifest names cannot be read."""

    exit = Exit.USAGE


class InterruptedRunError(BmSyncError):
    """The run was ended by SIGINT or SIGTERM after an orderly stop."""

    exit = Exit.INTERRUPTED


class NoticeError(Exception):
    """A target of notices could not be told; its text names no address and no secret."""
