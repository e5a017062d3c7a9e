"""What was seen on the two sides and what both last agreed on.

Paths are relative to the project's root, with slashes, in the exact characters of the side. A
*stamp* is what a listing tells about a file without another request. A *content* is a digest with
its algorithm, `md5:0123...`.

What exists once per file is a NamedTuple: made and compared several times faster than a frozen
dataclass, which shows with 100,000 files.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, field

from bm_sync.structs import Count, Number, Text


class Side(StrEnum):
    """The two sides of a project."""

    LOCAL = "local"
    REMOTE = "remote"

    @property
    def other(self) -> Side:
        """Return the opposite side."""
        return Side.REMOTE if self is Side.LOCAL else Side.LOCAL


class FileStamp(
    Struct, frozen=True, forbid_unknown_fields=True, gc=False, tag_field="kind", tag="file"
):
    """The stamp of a file in a folder of this machine (lstat).

    Any edit moves ctime_ns, whatever it restores.
    """

    size: Count
    mtime_ns: Number
    ctime_ns: Number
    inode: Number


class ObjectStamp(
    Struct, frozen=True, forbid_unknown_fields=True, gc=False, tag_field="kind", tag="object"
):
    """The stamp of a file behind rclone: size and content where hashes are listed, else the time.

    `mtime_ns` is None when it was not asked for (buckets). `tag` is what a server calls the version
    where that says nothing about its content (an opaque ETag). Equality of stamps is equality of
    all four.
    """

    size: Count
    content: Text | None
    mtime_ns: Number | None
    tag: Text | None = None


Stamp = FileStamp | ObjectStamp


def same_version(one: Stamp | None, two: Stamp | None) -> bool:
    """Return whether two stamps of one side are of one version.

    A server may begin to tell what it told as an MD5 as the opaque name of a version, or as a weak
    one, and go back.
    """
    if one == two:
        return True
    if not (isinstance(one, ObjectStamp) and isinstance(two, ObjectStamp)):
        return False
    kinds_differ = (one.tag is None) != (two.tag is None)
    return kinds_differ and one.size == two.size and _name(one) == _name(two)


def _name(stamp: ObjectStamp) -> str:
    """Return what the server calls a version, as far as it is the same in all forms."""
    name = stamp.tag or (stamp.content or "").partition(":")[2]
    return name.removeprefix("W/").strip('"').lower()


class File(NamedTuple):
    """A regular file.

    `content` is None while it is unknown; `mtime_ns` is None where times cost a request.
    """

    stamp: Stamp
    content: str | None = None
    mtime_ns: int | None = None

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        return self.stamp.size


class ProblemKind(StrEnum):
    """Why a path is left alone on both sides (I12)."""

    UNREADABLE = "unreadable"
    NAME = "name"
    SYMLINK = "symlink"
    SPECIAL = "special"
    CLASH = "clash"
    CASE = "case"
    CHANGED = "changed"  # after the run that is to be taken back
    UNDELETABLE = "undeletable"  # deleted on one side; the remote deletes nothing
    DEVICE = "device"  # a folder on another file system than last time


class Problem(Struct, frozen=True, forbid_unknown_fields=True):
    """A path that cannot be synced.

    It and everything below it are left as they are on both sides.     `silent_alone`: worth a word
    but no failure while the other side and the baseline know nothing of the path     (a skipped
    symlink, a socket).
    """

    path: str
    side: Side
    kind: ProblemKind
    what: str
    silent_alone: bool = False


class Root(StrEnum):
    """What stands where a side's root should be."""

    FOLDER = "folder"
    MISSING = "missing"
    NOT_A_FOLDER = "not-a-folder"
    SYMLINK = "symlink"
    STORE_MISSING = "store-missing"  # the bucket (or whatever holds all roots) is gone


class Disk(NamedTuple):
    """A file system, by all names that tell it from others, the most lasting one first.

    `uuid:…`, `id:…` (statfs, made of the UUID), `mount:…`, `device:…`, and statfs's number alone.
    """

    names: tuple[str, ...]


class Tree(Struct, frozen=True):
    """One side as it was seen, filtered.

    files: by path. dirs: by path (without the root), the value says whether something excluded or
    unsyncable lies in or below it, so that it must not be removed; empty where the backend has no
    folders (`has_folders` false). disks: the file system of the root, as `""`, and of each folder
    where another one is mounted; empty behind rclone. unlisted: paths that its listing leaves out
    although they stand there (true) or may do so, because nobody could be asked (false).
    case_insensitive, form_insensitive: it takes names for one that differ by case, or by the normal
    form of a letter.
    """

    files: Mapping[str, File]
    dirs: Mapping[str, bool] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    root: Root = Root.FOLDER
    has_folders: bool = True
    case_insensitive: bool = False
    form_insensitive: bool = False
    can_delete: bool = True
    unlisted: Mapping[str, bool] = field(default_factory=dict)
    disks: Mapping[str, Disk] = field(default_factory=dict)


class Agreed(NamedTuple):
    """A file both sides agreed on: its content (None where nobody had a hash) and both stamps."""

    content: str | None
    local: Stamp
    remote: Stamp


class Baseline(Struct, frozen=True):
    """What both sides last agreed on.

    Rows of paths that are excluded now are kept and not looked at (I11). `disks` has the name of
    each side's file systems by folder, see `Tree.disks`; `device` is all that older states know.
    """

    files: Mapping[str, Agreed] = field(default_factory=dict)
    dirs: frozenset[str] = frozenset()
    disks: Mapping[Side, Mapping[str, str]] = field(default_factory=dict)
    device: int | None = None
    known: bool = False  # false: there is no memory, the next run is a union


class Merged(NamedTuple):
    """What two changed versions of a text come to: its digest, where it can be told, and size."""

    content: str | None
    size: int


class FilterChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What a change of the filters does to the set of synced paths.

    Nothing of it is deleted.
    """

    enters: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()


class Observation(Struct, frozen=True):
    """Everything the planner may know about a project.

    `merges`: paths that both sides changed and that merge cleanly, where the policy merges.
    `absent`: the cloud has no such project.
    """

    local: Tree
    remote: Tree
    baseline: Baseline
    filter_change: FilterChange = FilterChange()
    merges: Mapping[str, Merged] = field(default_factory=dict)
    absent: bool = False

    def tree(self, side: Side) -> Tree:
        """Return the tree of a side."""
        return self.local if side is Side.LOCAL else self.remote
