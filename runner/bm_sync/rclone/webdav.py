"""A project of Basic Memory Cloud over WebDAV, as rclone reads it.

Rclone only reads there. Its `webdav` backend (1.75, backend/webdav/webdav.go) deletes the file at
the destination after an upload that failed, which after a refused condition is somebody else's; it
knows no ETags, lists folder by folder, and takes no notice of `Retry-After`.
"""

from __future__ import annotations

from msgspec import Struct

from bm_sync.rclone.remotes import Definition, Fs
from bm_sync.secret import Secret

WEBDAV_TYPE = "webdav"


class DavRoot(Struct, frozen=True):
    """A project: `url` is its escaped address, `tenant` the id of its workspace.

    `remote` and `label` are for a person.
    """

    remote: str
    label: str
    url: str
    tenant: str
    bearer: Secret


def webdav_definition(root: DavRoot, name: str) -> Definition:
    """Return the remote that the daemon shall know as `name`."""
    options: tuple[tuple[str, str | Secret], ...] = (
        ("url", root.url),
        ("vendor", "other"),
        ("bearer_token", root.bearer),
        ("headers", f"X-Workspace-ID,{root.tenant}"),
        ("encoding", "Raw"),  # names go as they are: no sign stands for another
        ("pacer_min_sleep", "1ms"),
    )
    return Definition(name, WEBDAV_TYPE, options, obscure=False)


def webdav_fs(root: DavRoot, name: str) -> Fs:
    """Return the project's root."""
    return Fs(root.remote, WEBDAV_TYPE, f"{name}:", root.label)
