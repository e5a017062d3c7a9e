"""Whether something stands at a place of this machine, and what lets a user at one that is closed.

What may not be looked at is not missing: only the system's own word for absence means that. After
one run with sudo, folders of ours belong to root.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from bm_sync.errors import BmSyncError


class UnreachableError(BmSyncError):
    """A place that may not be looked at, so that nobody knows whether something stands there."""


def standing(place: Path, *, links: bool = True) -> os.stat_result | None:
    """Return what stands at a place, None when nothing does; `links` are followed.

    Raises UnreachableError when that cannot be told: what may not be looked at is not missing.
    """
    try:
        return place.stat(follow_symlinks=links)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise unreachable(place, e) from e


def is_folder(place: Path) -> bool:
    """Whether a folder stands at a place; raises UnreachableError as `standing` does."""
    found = standing(place)
    return found is not None and stat.S_ISDIR(found.st_mode)


def unreachable(place: Path, error: OSError) -> UnreachableError:
    """Return what the system refuses about a place, with what to do about it."""
    why = error.strerror or str(error)
    return UnreachableError(f"{place} cannot be looked at: {why}", hint=way_in(place))


def way_in(place: Path, whole: Path | None = None) -> str | None:
    """Return what lets this user at a place; None where nothing on the way is closed.

    `whole` is the folder of ours it lies in, which is given back with all that is in it.
    """
    place = place.absolute()
    for step in (*reversed(place.parents), place):
        try:
            found = step.stat()
        except OSError:
            return None
        is_folder = stat.S_ISDIR(found.st_mode)
        listed = os.R_OK if step == place or not is_folder else 0
        if not os.access(step, listed | (os.X_OK if is_folder else 0)):
            return _opened(step, found, whole)
    return None


def _opened(closed: Path, found: os.stat_result, whole: Path | None) -> str:
    """Return what opens a file or a folder that is closed to this user."""
    if found.st_uid == os.geteuid():
        return f"chmod u+rwX {shlex.quote(str(closed))}"
    ours = whole if whole is not None and closed.is_relative_to(whole) else closed
    return f"{closed} belongs to {owner_of(found)}: {giving_back(ours)}"


def owner_of(found: os.stat_result) -> str:
    """Return the name of an owner, or what there is in its place."""
    return user_name(found.st_uid) or f"uid {found.st_uid}"


def giving_back(place: Path) -> str:
    """Return the command that gives a place, with all that is in it, to who runs this."""
    me = os.geteuid()
    return f"sudo chown -R {user_name(me) or me} {shlex.quote(str(place))}"


def user_name(uid: int) -> str:
    """Return the name of a user, "" where there is none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
