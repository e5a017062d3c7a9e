"""Sees changes below local folders as they happen, with the package `watchfiles`.

Without it, or where the system cannot tell (no more watches, a file system of another machine),
`blind` says what is not seen and what is done instead; schedules and intervals go on without it.

The package says nothing of a folder for which the system had no watch left, nor of events that the
system dropped. On Linux the watches are counted (`/proc/self/fdinfo`) and compared with the
folders: when this begins, and later while the system refuses new ones.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from bm_sync.engine import disks
from bm_sync.engine.watch_news import Happening

MISSING = "the package watchfiles is not installed"
INSTALL = "pip install 'watchfiles>=1.0'"
_STEP_MS, _GROUP_MS = 50, 200
_POLL_MS = 1000
_POLL_IN_NEED_MS = 15_000  # where the system cannot tell; a look at every file is dear
_TRY_AGAIN_S = 300.0
_COUNT_AGAIN_S = 20.0
_MANY_EVENTS = 4096  # at once: the system may have dropped others (its queue holds 16,384)
_INOTIFY = "anon_inode:inotify"
_SETTING = "sudo sysctl fs.inotify.max_user_{}={}"
_IN_DELETE_SELF = 0x400  # <sys/inotify.h>
_COUNTS = 3
# File systems that other machines change, of which the system here is not told (man 7 inotify).
_SHARED = frozenset(
    """
    9p afs ceph cifs coda drvfs glusterfs lustre ncpfs nfs nfs4 prl_fs smb3 smbfs vboxsf virtiofs
    vmhgfs
    """.split()  # noqa: SIM905 - a dozen names are read better as text
)
_SHARED_FUSE = "fuse."  # sshfs, rclone, s3fs

_Identity = tuple[int, int] | None
Hears = Callable[[str, Iterable[Happening]], None]


class LocalFolders:
    """The folders of projects, by the names of the projects; `hears` is told what happens there.

    `blind` says why nothing is seen, None while it is.
    """

    def __init__(self, hears: Hears, *, poll: bool) -> None:
        self._hears = hears
        self._poll = poll
        self._roots: dict[str, str] = {}
        self._seen: dict[str, _Identity] = {}
        self._task: asyncio.Task[None] | None = None
        self._failed_at = self._counted_at = 0.0
        self._doubted = self._lost = False
        self._in_need = False  # every file is looked at, because the system cannot tell
        self.blind: str | None = None

    async def follow(self, roots: Mapping[str, Path]) -> frozenset[str]:
        """Watch exactly these folders; return the projects of which something may be unseen.

        Folders that come, go or are replaced are noticed when this is called again. While others
        are watched from now on, nothing is seen for a moment.
        """
        real, seen = _looked_up(roots)
        old = self._roots, self._seen
        again = self._lost and time.monotonic() - self._failed_at > _TRY_AGAIN_S
        if (real, seen) == old and not again:
            await self._count()
            doubted, self._doubted = self._doubted, False
            return frozenset(real) if doubted else frozenset()
        changed = {n for n in seen if n in old[0] and (real[n], seen[n]) != (old[0][n], old[1][n])}
        unseen = changed if self._task is None else set(real)
        await self.stop()
        self._roots, self._seen = real, seen
        self._begin()
        return frozenset(unseen)

    async def stop(self) -> None:
        """Watch nothing any more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])  # does not raise what it ended with

    def _begin(self) -> None:
        try:
            import watchfiles  # noqa: F401 - whether it is there
        except ImportError:
            self._lose(f"{MISSING}: {INSTALL}")
            return
        self._in_need = self._lost = False
        self._counted_at = 0.0
        self.blind = None if self._poll else shared(self._there())
        self._start()

    def _start(self) -> None:
        if there := self._there():
            self._task = asyncio.create_task(self._watch(there))

    def _there(self) -> list[str]:
        return sorted({self._roots[name] for name, found in self._seen.items() if found})

    async def _count(self) -> None:
        """Look at every file when the system has too few watches; it is told of once.

        They are counted when this begins, and then while the system refuses new ones.
        """
        now = time.monotonic()
        due = now - self._counted_at > _COUNT_AGAIN_S and (self._counted_at == 0.0 or is_full())
        if self._task is None or self._poll or self._in_need or not due:
            return
        self._counted_at = now
        short = await asyncio.to_thread(shortage, self._there())
        for _ in range(_COUNTS - 1):  # a folder that is just made has no watch yet
            if short is not None:
                await asyncio.sleep(_STEP_MS / 1000)
                short = await asyncio.to_thread(shortage, self._there())
        if short is not None:
            await self.stop()
            self._need(short)

    def _need(self, why: str) -> None:
        self._in_need = self._doubted = True
        every = f"so every file is looked at each {_POLL_IN_NEED_MS // 1000} s"
        self._lose(f"{why}, {every}")
        self._start()

    async def _watch(self, folders: list[str]) -> None:
        from watchfiles import Change, awatch

        polls = self._poll or self._in_need
        begun = not polls  # what was changed before the first look at every file is not told
        changes = awatch(
            *folders,
            watch_filter=None,
            debounce=_GROUP_MS,
            step=_STEP_MS,
            force_polling=polls or None,
            poll_delay_ms=_POLL_IN_NEED_MS if self._in_need else _POLL_MS,
            ignore_permission_denied=True,
            yield_on_timeout=polls,
        )
        try:
            async for found in changes:
                self._doubted = self._doubted or not begun or len(found) > _MANY_EVENTS
                begun = True
                self._tell((path, change is Change.deleted) for change, path in found)
        except (OSError, RuntimeError) as e:  # what its Rust part cannot do is a RuntimeError
            said = e.strerror if isinstance(e, OSError) and e.strerror else str(e)
            limit = _limit_of(said)
            if limit is not None and not self._in_need:
                self._need(limit)
            else:
                self._lose(f"the system tells of no changes: {said}")

    def _tell(self, found: Iterable[tuple[str, bool]]) -> None:
        told: dict[str, list[Happening]] = {}
        for path, gone in found:
            for name, root in self._roots.items():
                if path.startswith(f"{root}/"):
                    told.setdefault(name, []).append(Happening(path[len(root) + 1 :], gone))
        for name, happened in told.items():
            self._hears(name, happened)

    def _lose(self, why: str) -> None:
        self.blind, self._lost = why, True
        self._failed_at = time.monotonic()


def _looked_up(roots: Mapping[str, Path]) -> tuple[dict[str, str], dict[str, _Identity]]:
    real = {name: os.path.realpath(root) for name, root in roots.items()}
    return real, {name: _identity(root) for name, root in real.items()}


def _identity(folder: str) -> _Identity:
    try:
        found = os.stat(folder)  # noqa: PTH116 - a text that came from realpath
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _limit_of(said: str) -> str | None:
    """Return which limit of inotify a sentence of the package is about, with what raises it."""
    if "os error 24" in said or "Too many open files" in said:
        raising = _SETTING.format("instances", 1024)
        return f"the system's limit of inotify instances is reached (raise it: {raising})"
    if "os error 28" in said or "watch limit" in said:
        raising = _SETTING.format("watches", 1048576)
        return f"the system's limit of inotify watches is reached (raise it: {raising})"
    return None


def shortage(roots: Iterable[str]) -> str | None:
    """Return what is said when folders have no watch of this process, None when all have one.

    Reads the names of all folders below `roots`, through links as the package does.
    """
    watches = _watches()
    if watches is None:
        return None
    folders: set[tuple[int, int]] = set()
    for root in roots:
        _add_folders(root, folders)
    if watches >= len(folders):
        return None
    raising = _SETTING.format("watches", max(1048576, 2 * len(folders)))
    return (
        f"the system watches {watches:,} of {len(folders):,} folders (raise its limit: {raising})"
    )


def _add_folders(root: str, found: set[tuple[int, int]]) -> None:
    todo = [root]
    while todo:
        folder = todo.pop()
        try:
            about = os.stat(folder)  # noqa: PTH116 - a text; through links
            if (about.st_dev, about.st_ino) in found:
                continue
            with os.scandir(folder) as entries:
                todo.extend(entry.path for entry in entries if entry.is_dir())
        except OSError:
            continue  # who may not be looked into is not watched either
        found.add((about.st_dev, about.st_ino))


def _watches() -> int | None:
    """Return how many folders the system tells this process of, None where nobody counts."""
    count = None
    with suppress(OSError):
        for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names alone
            with suppress(OSError):
                if os.readlink(f"/proc/self/fd/{number}") == _INOTIFY:  # noqa: PTH115
                    told = Path(f"/proc/self/fdinfo/{number}").read_text("ascii", "replace")
                    count = (count or 0) + told.count("inotify wd:")
    return count


def is_full() -> bool:
    """Return whether the system refuses this user another watch or instance of inotify."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    queue = libc.inotify_init()
    if queue < 0:
        return True
    try:
        return bool(libc.inotify_add_watch(queue, os.fsencode(os.sep), _IN_DELETE_SELF) < 0)
    finally:
        os.close(queue)


def shared(roots: Iterable[str]) -> str | None:
    """Return what is said of folders that other machines change without a word to this one."""
    for root in roots:
        for kind in sorted(disks.kinds(root)):
            if kind in _SHARED or kind.startswith(_SHARED_FUSE):
                what = f"what others change in {root} ({kind}) the system does not tell"
                return f"{what}; watch --poll looks at every file each second"
    return None
