"""Content digests of files in a folder of this machine, read without blocking the loop for long."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat

from bm_sync.engine.jail import BlockedError, Jail, stamp_of
from bm_sync.model.tree import FileStamp

CHUNK = 1 << 20
FALLBACK = "sha256"
_OURS = frozenset({"md5", "sha1", "sha256", "sha512"})


def computable(algorithm: str) -> bool:
    """Return whether this room computes `algorithm` itself (others are left to rclone)."""
    return algorithm in _OURS


async def digest(jail: Jail, path: str, algorithm: str) -> tuple[FileStamp, str] | None:
    """Return the stamp and the content of the plain file at `path`.

    None when it is gone, unreadable, no plain file, or changed while it was read.
    """
    try:
        descriptor = jail.open(path)
    except (OSError, BlockedError):
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return None
        state = hashlib.new(algorithm, usedforsecurity=False)
        try:
            while chunk := file.read(CHUNK):
                state.update(chunk)
                if len(chunk) == CHUNK:
                    await asyncio.sleep(0)
        except OSError:
            return None
        if stamp_of(os.fstat(descriptor)) != stamp_of(before):
            return None
    return stamp_of(before), f"{algorithm}:{state.hexdigest()}"
