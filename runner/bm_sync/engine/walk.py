"""Reads a folder of this machine into a tree: what lies there, filtered, with its stamps.

It reads names, stamps and .gitignore files, never the content of a file, and changes nothing. It
never follows a link out of the folder.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self, cast

from msgspec import Struct, field

from bm_sync import access
from bm_sync.engine.disks import Mounts
from bm_sync.engine.jail import Identity, enter, identity
from bm_sync.engine.links import Folder, refusal
from bm_sync.errors import BmSyncError
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.rules import BadPattern
from bm_sync.filters.sift import is_plain, mark_above, name_fault
from bm_sync.model.config import Links, Origin
from bm_sync.model.tree import Disk, File, FileStamp, Problem, ProblemKind, Root, Side, Tree
from bm_sync.structs import replace

IGNORE_FILE = ".gitignore"
MAX_IGNORE_BYTES = 1 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_GONE = (errno.ENOENT, errno.ENOTDIR)
_NO_FOLDER = (errno.ENOTDIR, errno.ELOOP)
_MOST_OPEN = 64  # folders on the way
_SLICE_S = 0.001
_ANY_MODE, _PRIVATE = 0o777, 0o600


class Walked(Struct, frozen=True):
    """What a walk found; `identity` and `real` are those of the folder that was walked.

    ignore_files: the text of each .gitignore by its folder ("" is the root). excluded: how many
    entries the filters took out, a folder counts once. via_link: the root itself is a symlink.
    private: files that their owner alone may read and write, as saved plans are.
    """

    tree: Tree
    ignore_files: dict[str, str] = field(default_factory=dict)
    excluded: int = 0
    bad: tuple[BadPattern, ...] = ()
    via_link: bool = False
    identity: Identity | None = None
    real: Path | None = None
    private: tuple[str, ...] = ()


def walk(
    root: Path, matcher: Matcher, *, gitignore: bool, links: Links, side: Side = Side.LOCAL
) -> Walked:
    """Walk a folder, teaching the matcher each .gitignore before its folder is judged.

    Raises `BmSyncError` when the root itself cannot be read or was replaced meanwhile.
    """
    walking = _walking(root, matcher, gitignore=gitignore, links=links, side=side)
    while True:
        try:
            next(walking)
        except StopIteration as end:
            return cast(Walked, end.value)


async def walk_aside(
    root: Path, matcher: Matcher, *, gitignore: bool, links: Links, side: Side = Side.LOCAL
) -> Walked:
    """Walk as `walk` does, letting others at the event loop every few milliseconds."""
    walking = _walking(root, matcher, gitignore=gitignore, links=links, side=side)
    due = time.perf_counter() + _SLICE_S
    while True:
        try:
            next(walking)
        except StopIteration as end:
            return cast(Walked, end.value)
        if time.perf_counter() > due:
            await asyncio.sleep(0)
            due = time.perf_counter() + _SLICE_S


def _walking(
    root: Path, matcher: Matcher, *, gitignore: bool, links: Links, side: Side
) -> Generator[None, None, Walked]:
    """Walk a folder, pausing after each folder in it."""
    try:
        entered = enter(root)
    except OSError as e:
        if e.errno in _GONE:
            found = Root.NOT_A_FOLDER if root.exists() else Root.MISSING
            return Walked(Tree(files={}, root=found), via_link=root.is_symlink())
        raise _unreadable_root(root, e) from e
    mounts = Mounts(str(entered.real))
    walker = _Walker(str(entered.real), matcher, gitignore=gitignore, links=links, side=side)
    try:
        with _Descent(entered.folder) as descent:
            yield from walker.run(descent)
            disks = mounts.disks(descent.top)
            read, now = identity(os.fstat(descent.top)), identity(root.stat())
    except OSError as e:
        raise _unreadable_root(root, e) from e
    if read != now:
        raise BmSyncError(
            f"the folder {ascii(str(root))[1:-1]} was replaced while it was read",
            hint="run it again when the folder stands still",
        )
    return replace(
        walker.walked(disks), via_link=entered.via_link, identity=read, real=entered.real
    )


class _ClosedIgnoreFileError(OSError):
    """A .gitignore that is there and cannot be read: what it excludes must not be touched."""


class _Descent:
    """The open folders on the way to the one that is read, so that no name is followed twice.

    Each is opened in the one above it, never through a symbolic link.
    """

    def __init__(self, top: int) -> None:
        self.top = top
        self._open: list[tuple[str, int]] = [("", self.top)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.pop()[1])

    @contextmanager
    def into(self, path: str) -> Iterator[int]:
        """Open a folder of the root for as long as the block lasts, or longer."""
        while not f"{path}/".startswith(self._open[-1][0]):
            os.close(self._open.pop()[1])
        above, here = self._open[-1]
        passing = -1  # beyond so many the folder alone is kept open, and nothing above it
        try:
            for name in filter(None, path[len(above) :].split("/")):
                here = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
                above = f"{above}{name}/"
                if passing >= 0:
                    os.close(passing)
                if len(self._open) < _MOST_OPEN:
                    self._open.append((above, here))
                else:
                    passing = here
            yield here
        finally:
            if passing >= 0:
                os.close(passing)


class _Walker:
    """The state of one walk."""

    def __init__(
        self, root: str, matcher: Matcher, *, gitignore: bool, links: Links, side: Side
    ) -> None:
        self._root = root
        self._matcher = matcher
        self._gitignore = gitignore
        self._links = links
        self._side = side
        self._files: dict[str, File] = {}
        self._dirs: dict[str, bool] = {}
        self._problems: list[Problem] = []
        self._hidden: list[str] = []  # paths that are excluded or have a problem
        self._excluded = 0
        self._private: list[str] = []
        self._ignore_files: dict[str, str] = {}
        self._bad: tuple[BadPattern, ...] = ()
        self._user = os.geteuid()
        self._here = -1  # the open folder that is read

    def run(self, descent: _Descent) -> Iterator[None]:
        """Read everything, a folder a step; raises OSError when the root cannot be listed."""
        todo = [Folder("", "", (identity(os.fstat(descent.top)),))]
        while todo:
            folder = todo.pop()
            try:
                with descent.into(folder.disk) as self._here:
                    todo.extend(self._read(folder))
            except OSError as e:
                if not folder.path:
                    raise
                if e.errno in _NO_FOLDER:
                    self._replaced(folder.path)
                else:
                    self._lost(folder.path, e)
            yield

    def walked(self, disks: Mapping[str, Disk]) -> Walked:
        """Return the result of the run."""
        tree = Tree(
            files=self._files,
            dirs=mark_above(self._dirs, self._hidden),
            problems=tuple(sorted(self._problems, key=lambda p: p.path)),
            disks=disks,
        )
        private = tuple(self._private)
        return Walked(tree, self._ignore_files, self._excluded, self._bad, private=private)

    def _read(self, folder: Folder) -> Iterator[Folder]:
        with os.scandir(self._here) as listing:
            entries = list(listing)
        if self._gitignore:
            for entry in entries:
                if entry.name == IGNORE_FILE and entry.is_file(follow_symlinks=False):
                    self._learn(folder)
        prefix = f"{folder.path}/" if folder.path else ""
        excludes = self._matcher.inside(folder.path)
        for entry in entries:
            name = entry.name
            path = prefix + name
            try:
                if entry.is_file(follow_symlinks=False) and is_plain(name):
                    if excludes(path, name, False):
                        self._leave_out(path)
                    else:
                        self._take_file(name, path, entry.stat(follow_symlinks=False))
                    continue
                below = self._take(folder, entry, path)
            except OSError as e:
                self._lost(path, e)
            else:
                if below is not None:
                    yield below

    def _take(self, folder: Folder, entry: os.DirEntry[str], path: str) -> Folder | None:
        """Note an entry; return it when it is a folder to read."""
        if self._links is Links.FOLLOW and entry.is_symlink():
            return self._take_link(folder, entry, path)
        is_dir = entry.is_dir(follow_symlinks=False)
        if self._left_out(path, is_dir=is_dir):
            return None
        if is_dir:
            self._dirs[path] = False
            chain = folder.chain
            if self._links is Links.FOLLOW:
                found = entry.stat(follow_symlinks=False)
                chain = (*chain, (found.st_dev, found.st_ino))
            return Folder(f"{folder.disk}/{entry.name}".lstrip("/"), path, chain, folder.links)
        if entry.is_file(follow_symlinks=False):
            self._take_file(entry.name, path, entry.stat(follow_symlinks=False))
        elif entry.is_symlink():
            self._problem(path, ProblemKind.SYMLINK, "a symbolic link, skipped", alone=True)
        else:
            what = "neither a file nor a folder (a socket, pipe or device), skipped"
            self._problem(path, ProblemKind.SPECIAL, what, alone=True)
        return None

    def _take_file(self, name: str, path: str, found: os.stat_result) -> None:
        # Most answers come from the mode alone.
        mine = found.st_uid == self._user and found.st_mode & stat.S_IRUSR
        if not mine and not self._may_read(name):
            self._problem(path, ProblemKind.UNREADABLE, "the file may not be read")
            return
        mtime_ns = found.st_mtime_ns
        stamp = FileStamp(found.st_size, mtime_ns, found.st_ctime_ns, found.st_ino)
        self._files[path] = File(stamp, None, mtime_ns)
        if found.st_mode & _ANY_MODE == _PRIVATE:
            self._private.append(path)

    def _take_link(self, folder: Folder, entry: os.DirEntry[str], path: str) -> Folder | None:
        """Note a link as what it points to; return that when it is a folder to read."""
        try:
            target = os.path.realpath(f"{self._root}/{folder.disk}/{entry.name}", strict=True)
            found = Path(target).stat()
        except OSError:
            target, found = "", None
        is_dir = found is not None and stat.S_ISDIR(found.st_mode)
        if self._left_out(path, is_dir=is_dir):
            return None
        refused = refusal(target, found, folder, self._root, self._matcher)
        if found is None or refused is not None:
            self._problem(path, ProblemKind.SYMLINK, refused or "", alone=True)
            return None
        if not is_dir:
            self._take_file(target, path, found)
            return None
        self._dirs[path] = False
        below = os.path.relpath(target, self._root)
        self._matcher.linked(path, "" if below == "." else below)
        chain = (*folder.chain, (found.st_dev, found.st_ino))
        return Folder(os.path.relpath(target, self._root), path, chain, folder.links + 1)

    def _left_out(self, path: str, *, is_dir: bool) -> bool:
        """Return whether an entry is excluded or has an impossible name, and note it."""
        if self._matcher.excluded(path, is_dir=is_dir):
            self._leave_out(path)
            return True
        fault = name_fault(path)
        if fault is not None:
            self._problem(path, ProblemKind.NAME, fault[1])
        return fault is not None

    def _leave_out(self, path: str) -> None:
        self._excluded += 1
        self._hidden.append(path)

    def _replaced(self, path: str) -> None:
        """Note a folder that something else has taken the place of since it was seen."""
        self._dirs.pop(path, None)
        what = "something else has taken the place of this folder while it was read"
        self._problem(path, ProblemKind.SYMLINK, what)

    def _lost(self, path: str, e: OSError) -> None:
        """Note an entry that could not be looked at; one that vanished is no problem."""
        if e.errno in _GONE:
            self._dirs.pop(path, None)
            return
        if path in self._dirs:
            self._dirs[path] = True
        is_name = e.errno == errno.ENAMETOOLONG
        kind = ProblemKind.NAME if is_name else ProblemKind.UNREADABLE
        what = f"cannot be read: {os.strerror(e.errno or errno.EIO)}"
        if isinstance(e, _ClosedIgnoreFileError):
            what = f"its {IGNORE_FILE} {what}, so nobody knows what it excludes"
        self._problem(path, kind, what)

    def _problem(self, path: str, kind: ProblemKind, what: str, *, alone: bool = False) -> None:
        self._problems.append(Problem(path, self._side, kind, what, silent_alone=alone))
        self._hidden.append(path)

    def _may_read(self, name: str) -> bool:
        return os.access(
            name,
            os.R_OK,
            dir_fd=self._here,  # a link that is followed comes with its absolute target
            effective_ids=os.access in os.supports_effective_ids,
        )

    def _learn(self, folder: Folder) -> None:
        """Read a .gitignore and teach it to the matcher."""
        shown = f"{folder.path}/{IGNORE_FILE}" if folder.path else IGNORE_FILE
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            handle = os.open(IGNORE_FILE, flags, dir_fd=self._here)
            with os.fdopen(handle, "rb") as stream:
                raw = stream.read(MAX_IGNORE_BYTES + 1)
        except OSError as e:
            if e.errno in _GONE:
                return
            raise _ClosedIgnoreFileError(e.errno, os.strerror(e.errno or errno.EIO)) from e
        if len(raw) > MAX_IGNORE_BYTES:
            why = "The file is larger than 1 MiB. Its patterns do not count."
            self._bad += (BadPattern(Origin(shown, 1), why),)
            return
        text = raw.decode("utf-8", "surrogateescape")
        self._ignore_files[folder.path] = text
        self._bad += self._matcher.add_ignore_file(folder.path, text, shown)


def _unreadable_root(root: Path, e: OSError) -> BmSyncError:
    why = os.strerror(e.errno or errno.EIO)
    closed = isinstance(e, _ClosedIgnoreFileError)
    place = root / IGNORE_FILE if closed else root
    kind = "ignore file" if closed else "folder"
    return BmSyncError(
        f"the {kind} {ascii(str(place))[1:-1]} cannot be read: {why}",
        hint=access.way_in(place) or "check that the folder is mounted and that you may list it",
    )
