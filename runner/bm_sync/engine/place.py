"""Where a project lies on a remote behind rclone."""

from __future__ import annotations

from msgspec import Struct

from bm_sync import layout
from bm_sync.model.config import CloudRemote, Remote
from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import Features
from bm_sync.structs import replace


class Place(Struct, frozen=True):
    """`fs` is the project's root, `base` the root under which bm-sync's own folder lies.

    `absent`: the cloud has no such project yet, and `fs` is where it would lie. `team`: others
    write to the workspace, too.
    """

    fs: Fs
    base: Fs
    features: Features
    absent: bool = False
    team: bool = False


def as_opaque(fs: Fs, features: Features) -> tuple[Fs, Features]:
    """Return a root and what it can do when its listings tell no hashes, but names of versions."""
    return replace(fs, opaque=True), replace(features, hash=None, slow_hash=None)


def apart(place: Place, remote: Remote | None) -> Place:
    """Return the place of a near side, whose kept versions lie apart from those of far sides.

    Both sides may lie on one remote, and one run may keep a version of one path on either. The two
    of Basic Memory Cloud are never of one workspace.
    """
    if isinstance(remote, CloudRemote):
        return place
    return replace(place, base=place.base.at(layout.SOURCE))
