"""A folder whose inside is reached one component at a time, never through a symbolic link.

Everything that bm-sync writes on this machine goes through here, so that no path, however it came
about, leads outside the declared root.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

from msgspec import Struct

from bm_sync import files
from bm_sync.engine.primitives import Place
from bm_sync.errors import BmSyncError
from bm_sync.model.config import Links
from bm_sync.model.tree import FileStamp

Identity = tuple[int, int]  # device and inode

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ON_THE_WAY = _FOLDER | getattr(os, "O_PATH", 0)  # a folder that may be entered but not listed
_MOST_STEPS = 1000  # on the way to a folder; links may lead in a circle
_NOT_THROUGH = {errno.ELOOP, errno.ENOTDIR}


class BlockedError(Exception):
    """Something that is no plain file or folder stands in the way; the text says what."""


def stamp_of(info: os.stat_result) -> FileStamp:
    """Return the stamp that an lstat tells."""
    return FileStamp(info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)


def same_version(one: FileStamp, two: FileStamp) -> bool:
    """Return whether both are one version; ctime is left out: our own links and renames move it."""
    return (one.inode, one.size, one.mtime_ns) == (two.inode, two.size, two.mtime_ns)


class Jail:
    """The inside of `root` (an absolute path without symbolic links).

    `expected` is the folder that was looked at before: another one that stands there now is never
    entered. A jail that holds its root stays in the same folder from the first use on, wherever
    others move that and whatever they put in its place.
    """

    def __init__(
        self, root: Path, *, links: Links = Links.SKIP, expected: Identity | None = None
    ) -> None:
        self.root = root
        self.follows = links is Links.FOLLOW
        # by device and inode: the ctime of files since one of their names was taken away by us
        self.relinked: dict[tuple[int, int], int] = {}
        self._expected = expected
        self._holds = False
        self._held: int | None = None
        self._inside: WeakSet[Below] = WeakSet()

    def __del__(self) -> None:
        self.release()

    def hold(self) -> None:
        """Keep the root open from its first use on."""
        self._holds = True

    def release(self) -> None:
        """Close the root, if it is held, and the folders inside that were asked of this jail."""
        for inside in self._inside:
            inside.release()
        held, self._held, self._holds = self._held, None, False
        if held is not None:
            os.close(held)

    def make_root(self) -> None:
        """Make the root with its parents, where nothing stood when it was looked at; hold it.

        No symbolic link is followed on the way: where one has appeared since, somebody made it.
        """
        self.hold()
        if self._held is None:
            self._held = _to_stay(self._entered() if self._expected else _made(self.root))

    def below(self, path: str, mode: int = 0o777) -> Below:
        """Return the inside of the folder `path`, which is made and held with its first file."""
        inside = Below(self, path, mode)
        self._inside.add(inside)
        return inside

    def holds_folder(self, other: Jail) -> bool:
        """Return whether the root of another jail lies where its name says it does in this one."""
        below = os.path.relpath(other.root, os.path.realpath(self.root))
        if below == ".." or below.startswith("../"):
            return True  # a symbolic link led out of here
        with self.parent(f"{below}/.") as (here, _), other.held() as there:
            return identity(os.fstat(here)) == identity(os.fstat(there))

    def stands(self) -> bool:
        """Return whether the root that is held still stands under its name."""
        if self._held is None:
            return True
        with suppress(OSError):
            return identity(self.root.lstat()) == identity(os.fstat(self._held))
        return False

    @contextmanager
    def parent(self, path: str, *, make: bool = False) -> Iterator[Place]:
        """Open the folder that holds `path`; with `make`, folders that are missing are made.

        Raises BlockedError when a component is no folder, FileNotFoundError when one is missing,
        BmSyncError when the root is another folder than the one that was looked at.
        """
        *folders, name = self.resolved(path).split("/")
        here, kept = self._top(make=make)
        try:
            for folder in folders:
                below = _enter(here, folder, path, 0o777 if make else None)
                if not kept:
                    os.close(here)
                here, kept = below, False
            yield here, name
        finally:
            if not kept:
                os.close(here)

    @contextmanager
    def held(self) -> Iterator[int]:
        """Hold the root meanwhile, if it is not held anyway; yield its descriptor."""
        held = self._holds
        self.hold()
        try:
            yield self._top(make=False)[0]
        finally:
            if not held:
                self.release()

    def look(self, path: str) -> FileStamp | None:
        """Return the stamp of the plain file at `path`, None when nothing is there.

        Raises BlockedError when something else is there or in the way.
        """
        try:
            with self.parent(path) as place:
                return look(place)
        except FileNotFoundError:
            return None

    def open(self, path: str) -> int:
        """Open a plain file for reading and return its descriptor."""
        with self.parent(path) as (folder, name):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            return os.open(name, flags, dir_fd=folder)

    def make_dir(self, path: str) -> None:
        """Make the folder `path` and its parents; one that exists is fine."""
        with self.parent(f"{path}/.", make=True):
            pass

    def remove_dir(self, path: str) -> bool:
        """Remove the folder `path` when it is empty; return whether it is gone."""
        try:
            with self.parent(path) as (folder, name):
                os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:
            return True
        except OSError as e:
            if e.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY):
                return False
            raise
        return True

    def exists(self, path: str) -> bool:
        """Return whether anything stands at `path`."""
        try:
            with self.parent(path) as (folder, name):
                os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, BlockedError):
            return False
        return True

    def is_link(self, path: str) -> bool:
        """Return whether `path` is a symbolic link that is followed here."""
        return self.follows and (self.root / path).is_symlink()

    def resolved(self, path: str) -> str:
        """Return where `path` leads, links followed if they are; raises BlockedError."""
        if not self.follows:
            return path
        real = os.path.realpath(self.root / path)
        inside = os.path.relpath(real, self.root)
        if inside == ".." or inside.startswith("../"):
            raise BlockedError("a symbolic link that leaves the project")
        return f"{inside}/." if path.endswith("/.") else inside

    def _top(self, *, make: bool) -> tuple[int, bool]:
        """Return a descriptor of the root, and whether it is kept."""
        if self._held is None:
            opened = self._entered(make=make)
            if not self._holds:
                return opened, False
            self._held = _to_stay(opened)
        return self._held, True

    def _entered(self, *, make: bool = False) -> int:  # noqa: ARG002 - see `Below`
        """Open the root; what `make` says is for those that lie in another jail."""
        opened = os.open(self.root, _FOLDER)
        if self._expected in (None, identity(os.fstat(opened))):
            return opened
        os.close(opened)
        raise replaced(self.root)


class Below(Jail):
    """The inside of a folder in another jail."""

    def __init__(self, above: Jail, path: str, mode: int) -> None:
        super().__init__(above.root / path)
        self._above = above
        self._path = path
        self._mode = mode
        self.hold()

    def make_root(self) -> None:
        """Make the folder where it is missing, and hold it."""
        self._top(make=True)

    def _entered(self, *, make: bool = False) -> int:
        with self._above.parent(self._path, make=make) as (folder, name):
            return _enter(folder, name, self._path, self._mode if make else None)


class Entered(Struct, frozen=True):
    """An open folder, its real path, and whether its name is that of a symbolic link."""

    folder: int
    real: Path
    via_link: bool


def enter(root: Path) -> Entered:
    """Open a folder (an absolute path) by its name; what it is called is resolved only once.

    Symbolic links on the way count only when they are this user's or root's: whoever can write to a
    folder on the way could lead this user anywhere. Raises BmSyncError for a link of others.
    """
    todo, real, via_link = list(root.parts[:0:-1]), root.anchor, False
    here = os.open(real, _ON_THE_WAY)
    try:
        for _ in range(_MOST_STEPS):
            if not todo:
                return Entered(os.open(".", _FOLDER, dir_fd=here), Path(real), via_link)
            name = todo.pop()
            below, target = _step(here, name, root)
            if target is None:
                here, real = _instead(here, below), os.path.normpath(Path(real) / name)
                continue
            via_link = via_link or not todo
            todo += [part for part in reversed(target.split("/")) if part]
            if target.startswith("/"):
                here, real = _instead(here, os.open("/", _ON_THE_WAY)), "/"
    finally:
        os.close(here)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(root))


def _instead(old: int, new: int) -> int:
    os.close(old)
    return new


def _step(here: int, name: str, root: Path) -> tuple[int, str | None]:
    """Open what stands in an open folder, and return what it holds when it is a symbolic link."""
    if not hasattr(os, "O_PATH"):  # two looks at a name, between which it may change
        info = os.stat(name, dir_fd=here, follow_symlinks=False)
        if stat.S_ISLNK(info.st_mode):
            _require_own(info, name, root)
            return -1, os.readlink(name, dir_fd=here)
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=here), None
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    try:
        info = os.fstat(found)
        if not stat.S_ISLNK(info.st_mode):
            return os.dup(found), None
        _require_own(info, name, root)
        return -1, os.readlink("", dir_fd=found)
    finally:
        os.close(found)


def _require_own(link: os.stat_result, name: str, root: Path) -> None:
    if link.st_uid not in (os.geteuid(), 0):
        raise BmSyncError(
            f"'{name}' on the way to {ascii(str(root))[1:-1]} is a symbolic link of another user",
            hint="write the path of the folder that it leads to, if that is the one you mean",
        )


def identity(info: os.stat_result) -> Identity:
    """Return what tells a folder from every other."""
    return info.st_dev, info.st_ino


def replaced(root: Path) -> BmSyncError:
    """Return the error of a folder that somebody has put another one in the place of."""
    return BmSyncError(
        f"the folder {ascii(str(root))[1:-1]} was replaced by another one while the run went on",
        hint="see who can write to the folder that holds it, then run this again",
    )


def _enter(here: int, folder: str, path: str, make: int | None, flags: int = _FOLDER) -> int:
    """Open a folder in an open one; `make` is the mode to make it with where it is missing."""
    if folder in ("", "..") or "\0" in folder:
        raise BlockedError("not a path inside the project")
    try:
        return _opened(here, folder, path, flags)
    except FileNotFoundError:
        if make is None:
            raise
    with suppress(FileExistsError):  # another run was faster
        os.mkdir(folder, make, dir_fd=here)
    return _opened(here, folder, path, flags)


def _opened(here: int, folder: str, path: str, flags: int) -> int:
    try:
        return os.open(folder, flags | os.O_NOFOLLOW, dir_fd=here)
    except OSError as e:
        if e.errno in _NOT_THROUGH:
            raise BlockedError(f"'{folder}' on the way to '{path}' is not a plain folder") from e
        raise


def _to_stay(folder: int) -> int:
    """Return the open folder under a number that is not taken again soon after it is closed.

    rclone may have been told the number, and a job that was given up may still run for a moment.
    """
    low = most_open() // 2
    try:
        return fcntl.fcntl(folder, fcntl.F_DUPFD_CLOEXEC, low + secrets.randbelow(low // 2))
    finally:
        os.close(folder)


def most_open() -> int:
    """Return how many files this process may have open, no more than 4096."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 4096 if soft == resource.RLIM_INFINITY else min(soft, 4096)


def _made(root: Path) -> int:
    """Make a folder with its parents, and open it."""
    here = os.open(root.anchor, _ON_THE_WAY)
    try:
        for name in root.parts[1:]:
            below = _enter(here, name, str(root), 0o777, _ON_THE_WAY)
            os.close(here)
            here = below
        return os.open(".", _FOLDER, dir_fd=here)
    finally:
        os.close(here)


def others_write(folder: int) -> bool:
    """Return whether anybody but this user and root may write an open folder: see `files`."""
    return files.others_write(os.fstat(folder), folder)


def movable(folder: Path) -> bool:
    """Return whether others may put another folder in the place of `folder`, by its name."""
    owner = os.lstat(folder).st_uid
    for parent in folder.parents:
        above = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            info = os.fstat(above)
            sticky = info.st_mode & stat.S_ISVTX and info.st_uid in (os.geteuid(), 0)
            if others_write(above) and not (sticky and owner in (os.geteuid(), 0)):
                return True
            owner = info.st_uid
        finally:
            os.close(above)
    return False


def plain_stamp(info: os.stat_result) -> FileStamp:
    """Return the stamp of a plain file; raise BlockedError for anything else."""
    if not stat.S_ISREG(info.st_mode):
        raise BlockedError("something that is no plain file stands there now")
    return stamp_of(info)


def look(place: Place) -> FileStamp | None:
    """Return the stamp of the plain file at `place`, None when nothing is there."""
    try:
        info = os.stat(place[1], dir_fd=place[0], follow_symlinks=False)
    except FileNotFoundError:
        return None
    return plain_stamp(info)
