"""Which file system a folder of this machine lies on, and which others are mounted inside it.

A disk is known by its UUID wherever that can be had: device numbers, and with them what statfs
calls the id of XFS, FAT, exFAT and NTFS, are given out in the order in which disks come. Linux
tells the UUID by FS_IOC_GETFSUUID (linux/fs.h, since 6.9), udev by /dev/disk/by-uuid; the mounts
are told by /proc/self/mountinfo (man 5 proc). Elsewhere only the number is known, and no mount
inside a folder.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bm_sync import layout
from bm_sync.model.tree import Disk

_GET_UUID = 0x80111500
_BY_UUID = Path("/dev/disk/by-uuid")
_MOUNTS = Path("/proc/self/mountinfo")
_NEW_EACH_TIME = frozenset({"tmpfs", "ramfs", "overlay"})  # a UUID that lasts as long as the mount
_WAITS = "autofs"  # nothing is mounted there until somebody looks
_ESCAPED = re.compile(r"\\([0-7]{3})")


class _Mount(NamedTuple):
    """One mount: its device number, where it is, its type and what was mounted."""

    number: str
    at: str
    kind: str
    source: str


class Mounts:
    """What is mounted in and below a folder; `root` is its real path."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._before = {mount.at: mount.number for mount in _mounts(root)}

    def disks(self, folder: int) -> Mapping[str, Disk]:
        """Return the disk of the open folder, as `""`, and of each mount in it, by its path there.

        One that has come or changed since this began is left out. Raises OSError when the folder
        itself cannot be looked at.
        """
        found = list(_mounts(self._root))
        around = max(
            (m for m in reversed(found) if _holds(m.at, self._root)), key=lambda m: len(m.at)
        )
        disks = {"": _disk(folder, around)}
        prefix = f"{self._root.rstrip('/')}/"
        for mount in found:
            path = mount.at.removeprefix(prefix)
            if path == mount.at or layout.is_ours(path) or mount.kind == _WAITS:
                continue
            disks.pop(path, None)  # something was mounted over it
            if self._before.get(mount.at) == mount.number:
                with suppress(OSError), _opened(mount.at) as inside:
                    disks[path] = _disk(inside, mount)
        return disks


def kinds(root: str) -> set[str]:
    """Return the types of the file systems that a folder lies on and has in it (`nfs4`, `ext4`)."""
    found = list(_mounts(root))
    around = max((m for m in found if _holds(m.at, root)), key=lambda m: len(m.at))
    return {m.kind for m in found if m is around or not _holds(m.at, root)}


def disks_at(folder: Path) -> Mapping[str, Disk]:
    """Return the disks of a folder that was just made; raises OSError when it is not there."""
    mounts = Mounts(str(folder))
    with _opened(str(folder)) as top:
        return mounts.disks(top)


@contextmanager
def _opened(folder: str) -> Iterator[int]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield opened
    finally:
        os.close(opened)


def _holds(mount: str, folder: str) -> bool:
    return mount in ("/", "", folder) or folder.startswith(f"{mount}/")


def _mounts(root: str) -> Iterator[_Mount]:
    """Yield the mounts above and below a folder, the later of two at one place last."""
    yield _Mount("", "", "", "")
    with suppress(OSError):
        for line in _MOUNTS.read_text("utf-8", "surrogateescape").splitlines():
            fields = line.split(" ")
            at = _plain(fields[4])
            if _holds(at, root) or at.startswith(f"{root.rstrip('/')}/"):
                kind, source = fields[fields.index("-", 6) + 1 :][:2]
                yield _Mount(fields[2], at, kind, _plain(source))


def _plain(field: str) -> str:
    """Return a field of the table as it is: blanks and the like are written in octal there."""
    if "\\" not in field:
        return field
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), field)


def _disk(folder: int, mount: _Mount) -> Disk:
    """Return every name that a file system is known by, the most lasting one first."""
    device, number = os.fstat(folder).st_dev, os.fstatvfs(folder).f_fsid
    uuid = None if mount.kind in _NEW_EACH_TIME else _uuid(folder) or _by_uuid(device)
    names = [f"uuid:{uuid}"] if uuid else []
    if os.major(device) == 0:
        names.append(f"mount:{number}" if number else f"mount:{mount.kind} {mount.source}")
    elif number in (0, device):
        names.append(f"device:{device}")
    else:
        names.append(f"id:{number}")
    return Disk((*names, str(number)))


def _uuid(folder: int) -> str | None:
    if sys.platform != "linux":
        return None
    import fcntl

    said = bytearray(17)  # a length and at most 16 bytes
    try:
        fcntl.ioctl(folder, _GET_UUID, said)
    except OSError:
        return None
    uuid = said[1 : 1 + min(said[0], 16)]
    return uuid.hex() if any(uuid) else None


def _by_uuid(device: int) -> str | None:
    """Return what udev calls the block device with this number."""
    with suppress(OSError):
        for name in sorted(os.listdir(_BY_UUID)):  # noqa: PTH208 - names only
            with suppress(OSError):
                if (_BY_UUID / name).stat().st_rdev == device:
                    return name.replace("-", "").lower()
    return None
