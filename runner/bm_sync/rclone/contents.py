"""Learn the real content of remote files where a listing does not tell it."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from bm_sync.rclone.faults import Fault
from bm_sync.rclone.listing import Listings
from bm_sync.rclone.remotes import Fs, local_fs
from bm_sync.rclone.transfer import Batch, Pair, Transfers
from bm_sync.rclone.wire import Features

DOWNLOADED = "sha256"
_SAYS_NOTHING_OF_FILES = frozenset(
    {Fault.TRANSIENT, Fault.DAEMON, Fault.AUTH, Fault.FULL, Fault.CANCELLED}
)


async def by_server(
    listings: Listings, fs: Fs, paths: Collection[str], can: Features
) -> dict[str, str]:
    """Return the digests that the server computes; paths it has none for are absent."""
    if can.slow_hash is None:
        return {}
    found = await listings.look_up(fs, paths, can, hashed=can.slow_hash)
    return {path: entry.content for path, entry in found.items() if entry.content}


async def by_download(
    transfers: Transfers,
    fs: Fs,
    paths: Collection[str],
    scratch: Path,
    kind: str | None = None,
) -> dict[str, str]:
    """Return digests of what is downloaded below `scratch`, which is left as it was.

    With a `kind` they are of that, whatever the remote says of the contents. Paths that do not
    arrive are absent; a fault that is not of single files is raised.
    """
    folder = Path(tempfile.mkdtemp(prefix="contents-", dir=scratch))
    try:
        how = Batch(unchecked=kind is not None)
        result = await transfers.batch(Pair(fs, local_fs(folder)), paths, how, None)
        arrived = await asyncio.to_thread(_digests, folder, paths, kind or DOWNLOADED)
        if result.fault is not None and result.fault.fault in _SAYS_NOTHING_OF_FILES:
            raise result.fault
        return arrived
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _digests(folder: Path, paths: Collection[str], kind: str) -> dict[str, str]:
    found = {}
    for path in paths:
        file = folder / path
        if file.is_file():
            with file.open("rb") as f:
                found[path] = f"{kind}:{hashlib.file_digest(f, kind).hexdigest()}"
    return found
