"""Where a project lies on a remote behind rclone."""

from __future__ import annotations

from dataclasses import dataclass

from bm_sync.rclone.remotes import Fs
from bm_sync.rclone.wire import Features


@dataclass(frozen=True, slots=True)
class Place:
    """`fs` is the project's root, `base` the root under which `.bm-sync` lies.

    `absent`: the cloud has no such project yet, and `fs` is where it would lie. `team`: others
    write to the workspace, too.
    """

    fs: Fs
    base: Fs
    features: Features
    absent: bool = False
    team: bool = False
