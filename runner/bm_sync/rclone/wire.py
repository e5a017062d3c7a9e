"""Turn rclone's answers into typed values.

Pure; unknown keys are ignored, missing ones are an error of the daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from msgspec import Struct

from bm_sync.rclone.names import from_standard

_HASHES = ("md5", "sha1", "sha256")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_CHARS = len("2006-01-02T15:04:05")
_NANO_DIGITS = 9
_FRACTION = ".0123456789"


class Features(Struct, frozen=True):
    """What a backend can do.

    `hash` is the best content hash it lists without reading files or asking again, `slow_hash` the
    best it can tell at a cost (None when it has none). `slow_mtime`: each time costs a request.
    `can_copy` and `can_move`: on the server, without the bytes passing here. `atomic_put`: no
    reader ever sees half an upload under its name. `can_delete`: as far as is known.
    """

    hash: str | None
    slow_hash: str | None
    slow_mtime: bool
    has_folders: bool
    case_insensitive: bool
    can_copy: bool
    can_move: bool
    bucket_based: bool
    mtime_precision_ns: int
    atomic_put: bool
    can_delete: bool = True


class Removal(Enum):
    """How a file leaves a remote while its version is kept."""

    COPY = auto()  # a copy into the trash, then a deletion
    MOVE = auto()  # moved into the trash at once
    NONE = auto()  # not at all


class RemoteEntry(NamedTuple):
    """A file or folder of a listing.

    `mtime_ns` is None where it was not asked for, `content` (`md5:...`) where it is not known.
    `tag` is what the server calls the version, where that says nothing about its content.
    A named tuple, as in `model.tree`: there is one for every file.
    """

    path: str
    size: int
    mtime_ns: int | None
    content: str | None
    is_dir: bool
    tag: str | None = None


class Whole(Struct, frozen=True):
    """Why a listing is believed to hold everything that stands there."""

    reason: str


class Partial(Struct, frozen=True):
    """What a listing leaves out, though it was shown by another one of the same place."""

    paths: frozenset[str]


ENDED = Whole("the remote said that this was all")
EACH_FOLDER = Whole("every folder was listed by itself")


class RemoteListing(Struct, frozen=True):
    """Everything below a root.

    `unusable`: names, as rclone shows them, that no file of this machine can have, and names that
    stand there twice. `unreadable`: folders that may not be listed. `extent`: why it is whole, if
    it is: only then what it lacks is not there.
    """

    entries: tuple[RemoteEntry, ...]
    unusable: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    extent: Whole | Partial = ENDED


class Progress(Struct, frozen=True):
    """The figures of a group so far; `rate` is bytes per second."""

    files: int
    bytes: int
    rate: float
    errors: int
    last_error: str


class Space(Struct, frozen=True):
    """Room on a remote in bytes; None is unknown."""

    total: int | None
    used: int | None
    free: int | None


class Unusable(Struct, frozen=True):
    """A listed name that is no path."""

    name: str


def features_of(info: Mapping[str, Any]) -> Features:
    """Read an answer of operations/fsinfo."""
    has = info["Features"]
    hashes = [str(h) for h in info.get("Hashes") or ()]
    best = next((h for h in _HASHES if h in hashes), hashes[0] if hashes else None)
    partial = bool(has["PartialUploads"])
    return Features(
        hash=None if has["SlowHash"] else best,
        slow_hash=best,
        slow_mtime=bool(has["SlowModTime"]),
        has_folders=bool(has["CanHaveEmptyDirectories"]),
        case_insensitive=bool(has["CaseInsensitive"]),
        can_copy=bool(has["Copy"]),
        can_move=bool(has["Move"]),
        bucket_based=bool(has["BucketBased"]),
        mtime_precision_ns=int(info["Precision"]),
        atomic_put=bool(has["BucketBased"]) or (partial and bool(has["Move"])),
    )


def entry_of(item: Mapping[str, Any]) -> RemoteEntry | Unusable:
    """Read one item of a listing."""
    path = from_standard(item["Path"])
    if path is None:
        return Unusable(item["Path"])
    time, hashes = item.get("ModTime"), item.get("Hashes")
    return RemoteEntry(
        path,
        item["Size"],
        mtime_ns(time) if time else None,
        _content(hashes) if hashes else None,
        item["IsDir"],
    )


def entry_hook(item: dict[str, Any]) -> Any:  # noqa: ANN401 - what json.loads asks for
    """Make an entry of an item while its JSON is read, so that no dictionary is kept."""
    return entry_of(item) if "IsDir" in item else item


def progress_of(stats: Mapping[str, Any]) -> Progress:
    """Read an answer of core/stats."""
    return Progress(
        files=int(stats.get("transfers", 0)),
        bytes=int(stats.get("bytes", 0)),
        rate=float(stats.get("speed", 0.0)),
        errors=int(stats.get("errors", 0)),
        last_error=str(stats.get("lastError", "")),
    )


def space_of(answer: Mapping[str, Any]) -> Space:
    """Read an answer of operations/about."""
    return Space(answer.get("total"), answer.get("used"), answer.get("free"))


def mtime_ns(text: str) -> int | None:
    """Return an RFC 3339 time as nanoseconds since 1970; None for none (rclone's year 1)."""
    if not text or text.startswith("0001-"):
        return None
    rest = text[_SECONDS_CHARS:]
    zone = rest.lstrip(_FRACTION)
    digits = rest[1 : len(rest) - len(zone)]
    whole = datetime.fromisoformat(text[:_SECONDS_CHARS] + (zone or "Z")) - _EPOCH
    seconds = whole.days * 86400 + whole.seconds
    return seconds * 10**9 + int(digits.ljust(_NANO_DIGITS, "0")[:_NANO_DIGITS])


def _content(hashes: Mapping[str, str]) -> str | None:
    for name, value in hashes.items():
        if value:
            return f"{name}:{value}"
    return None
