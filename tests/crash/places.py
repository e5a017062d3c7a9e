"""Servers that can be killed and started again on the same port, and the sides behind them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import servers
from machine.bucket import Bucket
from machine.shores import BucketShore, FolderShore, Shore
from pipeline_bench import SHELF, s3

KINDS = ("folder", "s3", "webdav", "sftp")
_FLAGS = {
    "s3": ("--auth-key", f"{servers.KEY_ID},{servers.SECRET_KEY}"),
    "webdav": ("--user", servers.USER, "--pass", servers.PASSWORD, *servers.FORGETFUL),
    "sftp": ("--user", servers.USER, "--pass", servers.PASSWORD, *servers.FORGETFUL),
}


class Served:
    """A server of a folder, on a port that it keeps."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.port = servers.free_port()
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """Start it; it takes connections then."""
        serving = servers.serving(self.kind, self.folder, self.port, *_FLAGS[self.kind])
        self._running.enter_context(serving)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._running.close()


@dataclass(frozen=True)
class Place:
    """A remote: how a manifest declares it, its side, and the server before it, if there is one.

    `seen_at` is a folder in which files under their own names are whole at every moment;
    `in_one_step` says that none is missing there while it is replaced.
    """

    declared: dict[str, object]
    shore: Shore
    served: Served | None
    seen_at: Path | None
    in_one_step: bool = False

    def restart(self) -> None:
        """Start the server that was killed."""
        assert self.served is not None
        self.served.start()
        if isinstance(self.shore, BucketShore):
            self.shore.bucket.close()  # the next request opens another connection


@contextlib.contextmanager
def place(kind: str, home: Path) -> Iterator[Place]:
    """Yield a remote of a kind for the project `notes`, and end its server with the block."""
    if kind == "folder":
        root = home / "cloud" / "notes"
        shore = FolderShore(root, home / "cloud")
        yield Place(dict(SHELF), shore, None, root, in_one_step=True)
        return
    folder = home / "served"
    (folder / servers.BUCKET).mkdir(parents=True)
    served = Served(kind, folder)
    with contextlib.ExitStack() as stack:
        stack.callback(served.kill)
        served.start()
        yield stack.enter_context(_behind(served))


@contextlib.contextmanager
def _behind(served: Served) -> Iterator[Place]:
    if served.kind == "s3":
        told = servers.s3_options("Rclone", served.port)
        server = servers.Server("s3", told, served.port, served.folder)
        with contextlib.closing(Bucket(served.port)) as bucket:
            yield Place(s3(server, "w"), BucketShore(bucket, "w/notes", "w"), served, None)
        return
    options: dict[str, object] = {"user": servers.USER, "pass": {"env": "PASSWORD"}}
    if served.kind == "webdav":
        options |= {"url": f"http://127.0.0.1:{served.port}", "vendor": "rclone"}
    else:
        options |= {"host": "127.0.0.1", "port": str(served.port)}
    root = served.folder / "w" / "notes"
    shore = FolderShore(root, served.folder / "w")
    yield Place({"type": served.kind, "options": options, "root": "w"}, shore, served, root)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a run, with the secrets of the remotes."""
    secrets = {"SECRET": servers.SECRET_KEY, "PASSWORD": servers.PASSWORD}
    return {"HOME": str(home), "PATH": os.environ["PATH"], **secrets}
