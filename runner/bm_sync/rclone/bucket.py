"""A bucket of Basic Memory Cloud as rclone reaches it.

Endpoint, region and encoding are those of Basic Memory's own remote (basic-memory 0.24.1,
rclone_config.py), so that both see the same names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from bm_sync.rclone.faults import RcloneError
from bm_sync.rclone.names import to_standard
from bm_sync.rclone.remotes import Definition, Fs
from bm_sync.secret import Secret

BUCKET_TYPE = "s3"
# Tigris answers from a cache near the reader unless it is asked not to, listings too: without it a
# reader outside the bucket's region sees old versions (basic-memory issues 548, 557, 564).
_CONSISTENT = (("X-Tigris-Consistent", "true"),)


class Bucket(Struct, frozen=True):
    """A bucket with the keys that the service gave; `remote` is the remote's name for a person."""

    remote: str
    endpoint: str
    name: str
    access_key: str
    secret_key: Secret


def bucket_definition(bucket: Bucket, name: str) -> Definition:
    """Return the remote that the daemon shall know as `name`."""
    options: tuple[tuple[str, str | Secret], ...] = (
        ("provider", "Other"),
        ("endpoint", bucket.endpoint),
        ("region", "auto"),
        ("access_key_id", bucket.access_key),
        ("secret_access_key", bucket.secret_key),
        ("encoding", "Slash,InvalidUtf8"),
        ("no_check_bucket", "true"),
        ("no_head", "true"),
    )
    return Definition(name, BUCKET_TYPE, options, obscure=True, headers=_CONSISTENT)


def renewing(
    renew: Callable[[RcloneError], Awaitable[Bucket | None]], name: str
) -> Callable[[RcloneError], Awaitable[Definition | None]]:
    """Return how the definition of a bucket is made anew with other keys."""

    async def again(refusal: RcloneError) -> Definition | None:
        other = await renew(refusal)
        return None if other is None else bucket_definition(other, name)

    return again


def bucket_fs(bucket: Bucket, name: str) -> Fs:
    """Return the bucket's root; its label does not name the bucket, which is the service's."""
    root = f"{name}:{to_standard(bucket.name)}/"
    return Fs(bucket.remote, BUCKET_TYPE, root, f"{bucket.remote}:")
