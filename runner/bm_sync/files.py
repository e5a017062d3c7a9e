"""Files of this machine: whose may give orders and how they are read, which ones are replaced.

A manifest says which folders are emptied and which programs run; so do the files that it includes
or names. Who can change one of them acts as whoever runs it. The rule, also for root:

- the file is a regular one, and belongs to the user who runs this or to root;
- nobody else can write it, by its mode or by a POSIX access list;
- nobody else can put another one in its place: each folder on the way from / belongs to that user
  or to root and cannot be written by others, unless it is sticky (as /tmp is), and each symbolic
  link on the way belongs to that user or to root. For root, folders may belong to anybody.

A group counts as nobody else when it is the private group of one of these owners: it has the name
of its user (or the number, where one of them has no name), and nobody else is listed in it. On a
file system that is mounted read-only nobody can write. Access lists of NFSv4 and macOS cannot be
read here; they count as far as the mode shows them.

Under `sudo` the user who typed it counts as well (SUDO_UID), as for git: who may become root is not
stopped by this. BM_SYNC_TRUST names more: users, `%groups`, and folders in which everything counts.
It is an environment variable because no file that is held to the rule can set one.

The way is walked from its beginning, so nobody else can change it meanwhile; owner and mode of the
file itself are those of what was opened.

A file is written where an option or a key says so: in one step, never through a link, and never
over a file that is not one of ours of the same kind by how it begins.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from msgspec import Struct

from bm_sync import layout
from bm_sync.access import user_name
from bm_sync.errors import UsageError

TRUST = "BM_SYNC_TRUST"
_MOST_LINKS = 40  # as Linux: path_resolution(7)
_DESCRIPTOR = re.compile(r"/dev/(?:stdin|fd/\d+)|/proc/(?:self|\d+)/fd/\d+")
_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_HEAD_BYTES = 4096
_ACL = "system.posix_acl_access"  # 4 bytes of version, then entries of tag, rights and number
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_USER, _ACL_OWN_GROUP, _ACL_GROUP, _ACL_WRITE = 0x02, 0x04, 0x08, 0x02


class RefusedFileError(UsageError):
    """A file that must not be read; `reason` is a sentence that does not name it ("it is ...")."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file} is not read: {reason}")
        self.reason = reason


class NotRegularError(RefusedFileError):
    """A FIFO, a socket or a device."""


class TooLargeError(RefusedFileError):
    """A file with more in it than any of its kind has."""


class OthersFileError(RefusedFileError):
    """A file that is in the hands of others.

    `mend` is what its owner can do about it, "" for nothing; `word` is the one for BM_SYNC_TRUST
    that takes it as it is.
    """

    def __init__(self, file: Path, reason: str, *, word: str, mend: str = "") -> None:
        super().__init__(file, reason)
        self._mend = mend
        self._word = word
        self.hint = self.ways()

    def ways(self, command: str | None = None) -> str:
        """Return what can be done; `command` is one that takes this file alone as it is."""
        setting = f"{TRUST}={shlex.quote(self._word)}"
        trusting = f"if you trust it: {f'{command}, or ' if command else ''}{setting}"
        return f"{self._mend}; {trusting}" if self._mend else trusting


class Trust(Struct, frozen=True):
    """Whose files are taken: numbers of users and groups, and folders; `user` is who runs this."""

    user: int
    users: frozenset[int]
    groups: frozenset[int] = frozenset()
    folders: tuple[Path, ...] = ()

    def covers(self, place: Path, file: Path) -> bool:
        """Whether a place on the way to `file` need not be looked at: all of a folder counts."""
        above = [folder for folder in self.folders if file.is_relative_to(folder)]
        return any(place.is_relative_to(f) or f.is_relative_to(place) for f in above)


class Kind(Struct, frozen=True):
    """Files of one kind that are written where somebody says: what they are, and how they begin.

    `word` stands in the name of one that is not whole yet. `mode` is that of a new one.
    """

    name: str
    head: re.Pattern[bytes]
    word: str
    mode: int = 0o600


class _Step(NamedTuple):
    """A folder, a link or the file itself, on the way to a file."""

    path: Path
    found: os.stat_result

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.found.st_mode)

    @property
    def mode(self) -> str:
        return f"mode {stat.S_IMODE(self.found.st_mode):04o}"


class _Writers(NamedTuple):
    """Who else can write: in words, the word for BM_SYNC_TRUST, and how it is taken from them."""

    who: str
    word: str | None
    mend: str


def trust(env: Mapping[str, str], user: int | None = None) -> Trust:
    """Return whose files `user` (default: the effective one) takes orders from.

    Raises UsageError for a word of BM_SYNC_TRUST that names nobody here.
    """
    user = os.geteuid() if user is None else user
    users, groups, folders = {user, 0}, set(), []
    if user == 0 and env.get("SUDO_UID", "").isdecimal():
        users.add(int(env["SUDO_UID"]))
    for word in filter(None, env.get(TRUST, "").split(os.pathsep)):
        if word.startswith("/"):
            folders.append(Path(os.path.realpath(word)))
        elif word.startswith("%"):
            groups.add(_group_number(word))
        else:
            users.add(_user_number(word))
    return Trust(user, frozenset(users), frozenset(groups), tuple(folders))


def read(file: Path, most: int, env: Mapping[str, str], *, consent: bool = False) -> bytes:
    """Return what a file that gives orders holds, at most `most` bytes; nothing is waited for.

    With `consent` its owner and its place do not count. Raises RefusedFileError, and OSError or
    ValueError when there is no such file or it cannot be read.
    """
    *before, last = _way(file)
    _check_kind(file, last.found)
    descriptor = os.open(last.path, _OPEN)
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor
        last = _Step(last.path, os.fstat(descriptor))
        _check_kind(file, last.found)
        if not consent:
            _check_way(file, [*before, last], trust(env), descriptor)
        return _bounded(stream.read(most + 1), file, most)


def read_named(file: Path, most: int, env: Mapping[str, str], *, consent: bool) -> bytes:
    """Return what a file holds that the command line names; raises as `read` does.

    It may be a descriptor that the caller has opened, such as /dev/stdin or that of `<(...)`: that
    is read to its end, whatever it is.
    """
    if not _DESCRIPTOR.fullmatch(str(file)):
        return read(file, most, env, consent=consent)
    with file.open("rb") as stream:
        return _bounded(stream.read(most + 1), file, most)


def check(file: Path, env: Mapping[str, str], *, regular: bool = True) -> None:
    """Hold a file to the rule that another program reads; raises as `read` does.

    One that need not be `regular` may be anything that is not waited for.
    """
    *before, last = _way(file)
    if regular or stat.S_ISFIFO(last.found.st_mode):
        _check_kind(file, last.found)
    _check_way(file, [*before, last], trust(env), last.path)


def others_write(found: os.stat_result, at: int | Path, *owners: int) -> bool:
    """Whether anybody but this user, root and `owners` owns or can write what was found there.

    BM_SYNC_TRUST does not count: it says whose orders are taken, not whose folders stay still.
    """
    me = os.geteuid()
    whose = Trust(me, frozenset({me, 0, *owners}))
    return found.st_uid not in whose.users or _writers(found, whose, at) is not None


def mode_of(file: Path, kind: Kind, *, hint: str) -> int:
    """Return the mode of the file that is there, or of a new one.

    Raises UsageError for what must not be replaced: all but a file of the kind. `hint` says where
    another name is given.
    """
    for place in file.absolute().parents:
        if place.is_symlink() and place.lstat().st_uid not in {os.geteuid(), 0}:
            raise UsageError(f"{place} is a symbolic link of another user", hint=hint)
    try:
        found = file.lstat()
    except FileNotFoundError:
        return kind.mode
    except OSError as e:
        raise UsageError(f"cannot write {file}: {e.strerror}", hint=hint) from e
    if stat.S_ISLNK(found.st_mode):
        way = f"name the file that it leads to, or {hint}"
        raise UsageError(f"{file} is a symbolic link", hint=way)
    if not is_of(kind, file):
        what = f"{file} is there and is not {kind.name}; it is not replaced"
        raise UsageError(what, hint=hint)
    return stat.S_IMODE(found.st_mode)


@contextmanager
def replacing(
    file: Path, kind: Kind, *, hint: str, mode: int | None = None, encoding: str = "utf-8"
) -> Iterator[TextIO]:
    """Yield where to write what `file` will hold when the block ends well.

    A file that is there keeps its mode, unless `mode` is given. Raises UsageError as `mode_of`
    does, and for what the system refuses.
    """
    there = mode_of(file, kind, hint=hint)
    begin, end = layout.beside(kind.word)
    try:
        descriptor, name = tempfile.mkstemp(end, begin, file.parent)
    except OSError as e:
        raise UsageError(f"cannot write {file}: {e.strerror}", hint=hint) from e
    try:
        with open(descriptor, "w", encoding=encoding) as stream:  # noqa: PTH123 - a descriptor
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), there if mode is None else mode)
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except OSError as e:
        Path(name).unlink(missing_ok=True)
        raise UsageError(f"cannot write {file}: {e.strerror}", hint=hint) from e
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def is_of(kind: Kind, file: Path) -> bool:
    """Whether a file is a regular one that begins as those of a kind do."""
    try:
        with open(os.open(file, _OPEN), "rb") as stream:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return False
            return kind.head.match(stream.read(_HEAD_BYTES)) is not None
    except OSError:
        return False


def adds_nobody(gid: int, owner: int, users: frozenset[int]) -> bool:
    """Whether a group is the private one of `owner` or of one of `users`, so gives nobody rights.

    That it is nobody else's first group is what its name says; root's is group 0 whatever its name.
    """
    import grp

    try:
        name, members = (group := grp.getgrgid(gid)).gr_name, set(group.gr_mem)
    except KeyError:
        name, members = "", set()
    names = {uid: user_name(uid) for uid in {owner, *users}}

    def is_of(uid: int) -> bool:
        if uid == 0 or not name or not names[uid]:
            return gid == uid
        return name == names[uid]

    return any(map(is_of, names)) and members <= set(names.values())


def _way(file: Path) -> Iterator[_Step]:
    """Yield / and all that is met on the way to a file, itself last; links are followed here."""
    here, links = Path("/"), 0
    yield _Step(here, here.lstat())
    todo = [*reversed(file.absolute().parts[1:])]
    while todo:
        name = todo.pop()
        if name == "..":
            here = here.parent
            continue
        step = _Step(here / name, (here / name).lstat())
        yield step
        if not stat.S_ISLNK(step.found.st_mode):
            here = step.path
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = step.path.readlink()
        here = Path("/") if target.is_absolute() else here
        todo += reversed(target.parts[target.is_absolute() :])


def _check_kind(file: Path, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    kinds = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    kind = next((name for fits, name in kinds if fits(found.st_mode)), "a device")
    raise NotRegularError(file, f"it is {kind}, not a regular file")


def _check_way(file: Path, way: list[_Step], whose: Trust, opened: int | Path) -> None:
    """Raise RefusedFileError for the first thing on the way that is in the hands of others."""
    last = way[-1]
    is_shared = False  # whether others make files of their own in the folder just passed
    for step in way:
        if whose.covers(step.path, last.path):
            is_shared = False
            continue
        _check_owner(file, step, whose, by_group=not is_shared)
        if stat.S_ISLNK(step.found.st_mode):
            continue
        writers = _writers(step.found, whose, opened if step is last else step.path)
        is_shared = writers is not None
        if writers is not None and not (step.is_folder and step.found.st_mode & stat.S_ISVTX):
            raise _writable(file, step, writers, whose)


def _check_owner(file: Path, step: _Step, whose: Trust, *, by_group: bool) -> None:
    """Refuse what belongs to others; `by_group` says whether a group that is trusted vouches."""
    found = step.found
    if found.st_uid in whose.users or (by_group and found.st_gid in whose.groups):
        return
    if step.is_folder and whose.user == 0:
        return
    name = user_name(found.st_uid)
    owner = f"{name or 'a user without a name'} (uid {found.st_uid}, {step.mode})"
    subject = "it"
    if step.is_folder:
        subject = f"the folder {step.path} on the way to it"
    elif stat.S_ISLNK(found.st_mode):
        subject = f"the link {step.path} on the way to it"
    me = "root" if whose.user == 0 else "you or root"
    reason = f"{subject} belongs to {owner}, not to {me}"
    raise OthersFileError(file, reason, word=name or str(found.st_uid))


def _writable(file: Path, step: _Step, writers: _Writers, whose: Trust) -> OthersFileError:
    if step.is_folder:
        reason = f"{writers.who} can replace it: they can write the folder {step.path}"
    else:
        reason = f"{writers.who} can write it"
    word = writers.word or str(step.path if step.is_folder else step.path.parent)
    may_mend = whose.user in {0, step.found.st_uid}
    mend = f"{writers.mend} {shlex.quote(str(step.path))}" if may_mend else ""
    return OthersFileError(file, f"{reason} ({step.mode})", mend=mend, word=word)


def _writers(found: os.stat_result, whose: Trust, at: int | Path) -> _Writers | None:
    """Return who else can write, None for nobody."""
    if not found.st_mode & (stat.S_IWOTH | stat.S_IWGRP) or _is_read_only(at):
        return None
    if found.st_mode & stat.S_IWOTH:
        return _Writers("others", None, "chmod o-w")
    users, groups = _listed(found, at)
    for uid in users:
        if uid not in whose.users:
            name = user_name(uid)
            return _Writers(name or f"uid {uid}", name or str(uid), "chmod g-w")
    for gid in groups:
        if gid not in whose.groups and not adds_nobody(gid, found.st_uid, whose.users):
            name = _group_name(gid)
            return _Writers(f"the group {name or gid}", f"%{name or gid}", "chmod g-w")
    return None


def _listed(found: os.stat_result, at: int | Path) -> tuple[list[int], list[int]]:
    """Return the users and groups that may write, beside the owner, where the mode's group does.

    With an access list the mode shows what the most of them may, else what the group may.
    """
    try:
        entries = list(_ACL_ENTRY.iter_unpack(os.getxattr(at, _ACL)[4:]))
    except (OSError, AttributeError, struct.error):  # there is none, or none can be read
        return [], [found.st_gid]
    writing = [(tag, number) for tag, rights, number in entries if rights & _ACL_WRITE]
    users = [number for tag, number in writing if tag == _ACL_USER]
    groups = [number for tag, number in writing if tag == _ACL_GROUP]
    groups += [found.st_gid for tag, _ in writing if tag == _ACL_OWN_GROUP]
    return users, groups


def _is_read_only(at: int | Path) -> bool:
    return bool(os.statvfs(at).f_flag & os.ST_RDONLY)


def _bounded(data: bytes, file: Path, most: int) -> bytes:
    if len(data) <= most:
        return data
    size = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most >> 10} KiB"
    raise TooLargeError(file, f"it is larger than {size}")


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def _user_number(word: str) -> int:
    import pwd

    try:
        return int(word) if word.isdecimal() else pwd.getpwnam(word).pw_uid
    except KeyError:
        raise _nobody(word) from None


def _group_number(word: str) -> int:
    import grp

    name = word.removeprefix("%")
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise _nobody(word) from None


def _nobody(word: str) -> UsageError:
    return UsageError(
        f"{TRUST} names {word!a}, which is neither a user, a %group nor an absolute folder here",
        hint=f"write it like {TRUST}=anna:%team:/srv/team",
    )
