"""The actions of a plan, each with the reason and the stamps of both sides it was decided on.

For every action but `Move`, `local` and `remote` are the stamps seen at `path` (None: nothing was
there).
"""

from __future__ import annotations

from enum import StrEnum
from typing import get_args

from msgspec import Struct

from bm_sync import layout
from bm_sync.model.tree import Side, Stamp
from bm_sync.structs import Count, Text, dashed


class Reason(StrEnum):
    """Why an action is taken; the words a person reads."""

    NEW = "new"
    CHANGED = "changed"
    DELETED = "deleted on the other side"
    RENAMED = "renamed"
    EDIT_BEATS_DELETE = "edited on one side, deleted on the other: the edit wins"
    CONFLICT = "changed on both sides"
    CLASH = "a file here, a folder there"
    NOT_AT_SOURCE = "not at the source"
    DIFFERS = "differs from the source"
    KEPT = "deletion not carried out (--keep-deleted)"
    EQUAL = "equal on both sides"
    GONE = "gone from both sides"
    FOLDER = "folder"
    TAKEN_BACK = "taken back"
    BROUGHT_BACK = "brought back"
    SETTLED = "settled by you"
    MERGED = "changed on both sides: merged"
    IGNORED = "excluded by the filters"
    LEFT = "synced once, excluded since"


class Act(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=dashed):
    """One action; its `kind` is the name of its class as JSON has it."""

    @property
    def kind(self) -> str:
        """Return copy, trash, move, keep-both, ..."""
        return str(self.__struct_config__.tag)


class Copy(Act, frozen=True):
    """Copy `path` to side `to`; replaces what stands there when the stamp of that side is not None.

    `kept_as`: the conflict copy that already holds the version being replaced, so the trash need
    not.
    """

    path: Text
    to: Side
    size: Count
    reason: Reason
    local: Stamp | None
    remote: Stamp | None
    content: Text | None = None
    kept_as: Text | None = None

    @property
    def source(self) -> Stamp:
        """Return the stamp of the version that is copied."""
        stamp = self.remote if self.to is Side.LOCAL else self.local
        assert stamp is not None  # noqa: S101 - an invariant of the planner
        return stamp

    @property
    def target(self) -> Stamp | None:
        """Return the stamp of the version that is replaced, if any."""
        return self.local if self.to is Side.LOCAL else self.remote


class Trash(Act, frozen=True):
    """Move the file at `path` on `side` to the trash.

    `early`: before the copies, because a folder takes its name.
    """

    path: Text
    side: Side
    size: Count
    reason: Reason
    local: Stamp | None
    remote: Stamp | None
    early: bool = False


class Move(Act, frozen=True):
    """Rename `old_path` to `path` on `side`, because the other side did.

    The stamp of `side` is the one at `old_path`, that of the other side the one at `path`. In a
    rename that is taken back both stamps are those at `old_path`; a side that is not taken back,
    the source of a mirror, may have none there.
    """

    path: Text
    old_path: Text
    side: Side
    size: Count
    reason: Reason
    local: Stamp | None
    remote: Stamp | None
    content: Text | None = None


class KeepBoth(Act, frozen=True):
    """Keep the losing version of a conflict, the one on side `loser`, as `copy_path` on both sides.

    `gives_way`: the file leaves `path` on its side, because a folder of that name comes from the
    other side. Otherwise a `Copy` of the winner to side `loser` follows (with `kept_as`), done only
    when this succeeded.
    """

    path: Text
    copy_path: Text
    loser: Side
    size: Count
    reason: Reason
    local: Stamp | None
    remote: Stamp | None
    gives_way: bool = False


class Restore(Act, frozen=True):
    """Bring a version that was kept back to `path` on `side`; what stands there goes to the trash.

    It stands at `kept` on side `keeper`: a path in the trash, below the side's base (see
    `layout`), or a conflict copy, a path of the project. It stays there. A version that was made
    for the purpose (merged, or given by a person) is put into `layout.NEW` while it is brought.
    """

    path: Text
    side: Side
    keeper: Side
    kept: Text
    size: Count
    reason: Reason
    local: Stamp | None
    remote: Stamp | None
    content: Text | None = None

    @property
    def target(self) -> Stamp | None:
        """Return the stamp of the version that is replaced, if any."""
        return self.local if self.side is Side.LOCAL else self.remote

    @property
    def in_trash(self) -> bool:
        """Return whether the version stands in the trash."""
        return layout.is_home(self.kept)


class Adopt(Act, frozen=True):
    """Nothing moves: both sides hold the same content and only the baseline learns it."""

    path: Text
    size: Count
    reason: Reason
    local: Stamp
    remote: Stamp
    content: Text | None


class Forget(Act, frozen=True):
    """Nothing moves: the file or folder `path` is gone from both sides and the baseline drops it.

    `folder` tells which: a name may be forgotten as the one while it is learnt as the other.
    """

    path: Text
    reason: Reason
    local: None = None
    remote: None = None
    folder: bool = False


class AdoptDir(Act, frozen=True):
    """Nothing moves: the baseline learns a folder that stands on both sides.

    It may come to stand there by a copy below it.
    """

    path: Text
    reason: Reason = Reason.FOLDER
    local: None = None
    remote: None = None


class MakeDir(Act, frozen=True):
    """Make the empty folder `path` on `side`."""

    path: Text
    side: Side
    reason: Reason
    local: None = None
    remote: None = None


class RemoveDir(Act, frozen=True):
    """Remove folder `path` on `side` when it is empty.

    `early`: before the copies, because a file takes its name.
    """

    path: Text
    side: Side
    reason: Reason
    early: bool = False
    local: None = None
    remote: None = None


Action = Copy | Trash | Move | KeepBoth | Restore | Adopt | Forget | AdoptDir | MakeDir | RemoveDir
ALL: tuple[type[Act], ...] = get_args(Action)
MEMORY_ONLY = (Adopt, Forget, AdoptDir)
