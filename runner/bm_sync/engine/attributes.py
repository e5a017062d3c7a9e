"""What a file has besides its bytes and its times: mode, owner, access list, labels.

A file that comes into a folder gets what the kernel gives one that is made there; a file that takes
the place of another gets what that one had; a copy that is kept has what its original has. What a
file system cannot hold is left out: its answer decides, see docs/file-systems.md. Sources: man 5
acl, man 7 xattr, man 2 open (O_TMPFILE).
"""

from __future__ import annotations

import os
import stat
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field

from bm_sync import layout
from bm_sync.structs import replace

_ACL = "system.posix_acl_access"
_DEFAULT_ACL = "system.posix_acl_default"
_LABEL = "security.selinux"
_HELD = ("user.", _ACL, "system.nfs4_acl", "system.richacl", _LABEL, "security.SMACK64")
_GROUP, _MASK = 0x04, 0x10  # tags of an access list's entries, linux/posix_acl.h
_MADE_WITH = 0o666


class Attributes(Struct, frozen=True):
    """Mode, owner and those extended attributes that belong to a file wherever it goes."""

    mode: int
    uid: int
    gid: int
    extended: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def unprivileged(self) -> Attributes:
        """Return the same without set-user-id and set-group-id.

        The kernel takes them from a file that is written to, and so do we.
        """
        return replace(self, mode=self.mode & ~(stat.S_ISUID | stat.S_ISGID))


def of(file: int) -> Attributes:
    """Return what an open file has."""
    info = os.fstat(file)
    return Attributes(stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, _extended(file))


def give(file: int, wanted: Attributes) -> None:
    """Give an open file of ours these attributes, as far as its file system and our rights go."""
    now = of(file)
    owned = _give_owner(file, now, wanted)
    held = {n for n, v in wanted.extended.items() if now.extended.get(n) == v or _set(file, n, v)}
    for name in now.extended.keys() - wanted.extended.keys() - {_LABEL}:
        with suppress(OSError):
            os.removexattr(file, name)
    mode = wanted.mode if owned else wanted.unprivileged.mode
    if _ACL in wanted.extended and _ACL not in held:
        mode = _without_list(mode, wanted.extended[_ACL])
    if mode != stat.S_IMODE(os.fstat(file).st_mode):
        with suppress(OSError):
            os.fchmod(file, mode)


def take_over(new: int, old: int) -> None:
    """Give an open file what the file has whose place it is about to take."""
    give(new, of(old).unprivileged)


def inherit(file: int, made_in: int, goes_to: int) -> None:
    """Give an open file what a new one gets in the folder it goes to, not in the one it lies in.

    Only where the two folders hand down different things the kernel is asked, by a file without a
    name that is made there.
    """
    there = _handed_down(goes_to)
    alike = there.access is None and there == _handed_down(made_in)
    wanted = None if alike else _sample(goes_to)
    if wanted is None:
        now = os.fstat(file)
        wanted = Attributes(_MADE_WITH & ~_umask(), now.st_uid, now.st_gid)
    give(file, wanted)


class _HandedDown(Struct, frozen=True):
    """What a folder gives to the files that are made in it."""

    gid: int
    by_group: bool
    access: bytes | None
    label: bytes | None


def _handed_down(folder: int) -> _HandedDown:
    info = os.fstat(folder)
    return _HandedDown(
        gid=info.st_gid,
        by_group=bool(info.st_mode & stat.S_ISGID),
        access=_get(folder, _DEFAULT_ACL),
        label=_get(folder, _LABEL),
    )


def _sample(folder: int) -> Attributes | None:
    """Return what a file gets that is made in an open folder; None when none can be made."""
    with suppress(OSError):
        made = _nameless(folder)
        try:
            return of(made)
        finally:
            os.close(made)
    return None


def _nameless(folder: int) -> int:
    """Return a new file in a folder, without a name or, where there is no such thing, unlinked."""
    flags = os.O_RDWR | os.O_CLOEXEC
    if hasattr(os, "O_TMPFILE"):
        with suppress(OSError):
            return os.open(".", flags | os.O_TMPFILE, _MADE_WITH, dir_fd=folder)
    name = f".sample-{os.getpid()}-{threading.get_ident()}{layout.PARTIAL}"
    made = os.open(name, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MADE_WITH, dir_fd=folder)
    os.unlink(name, dir_fd=folder)
    return made


def _give_owner(file: int, now: Attributes, wanted: Attributes) -> bool:
    """Return whether the file has the wanted owner and group now."""
    owned = True
    if now.gid != wanted.gid:
        owned = _answered(lambda: os.fchown(file, -1, wanted.gid))
    if now.uid != wanted.uid:
        owned = _answered(lambda: os.fchown(file, wanted.uid, -1)) and owned
    return owned


def _without_list(mode: int, access: bytes) -> int:
    """Return the mode for a file that lost its access list.

    With a list the group's bits of the mode are the list's mask; without it they would let the
    group do all that anybody in the list might.
    """
    entries = dict(struct.iter_unpack("<HH4x", access[4 : 4 + (len(access) - 4) // 8 * 8]))
    group: int = entries.get(_GROUP, 0) & entries.get(_MASK, 7)
    return mode & ~stat.S_IRWXG | group << 3


def _extended(file: int) -> dict[str, bytes]:
    if not hasattr(os, "listxattr"):
        return {}
    names: list[str] = []
    with suppress(OSError):
        names = os.listxattr(file)
    values = {name: _get(file, name) for name in names if name.startswith(_HELD)}
    return {name: value for name, value in values.items() if value is not None}


def _get(file: int, name: str) -> bytes | None:
    if hasattr(os, "getxattr"):
        with suppress(OSError):
            return os.getxattr(file, name)
    return None


def _set(file: int, name: str, value: bytes) -> bool:
    return _answered(lambda: os.setxattr(file, name, value))


def _answered(call: Callable[[], None]) -> bool:
    try:
        call()
    except OSError:
        return False
    return True


def _umask() -> int:
    """Return what this process takes from the mode of new files; it can only be read by setting it.

    Linux tells it without (proc(5), since 4.7).
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    now = os.umask(0o077)
    os.umask(now)
    return now
