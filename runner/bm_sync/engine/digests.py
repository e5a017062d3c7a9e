"""Tells the contents of files behind rclone in the algorithm that somebody asks for.

What the server computes costs nothing but its time; all else is downloaded, hashed and removed, so
much at a time that a disk does not fill.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from bm_sync.engine import contents
from bm_sync.engine.distant import Store
from bm_sync.engine.jail import Jail
from bm_sync.engine.site import Site
from bm_sync.model.config import Retry
from bm_sync.model.tree import File
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.transfer import PLAIN, Batch

AT_ONCE_BYTES = 1 << 30
_OF_SINGLE_FILES = frozenset({Fault.MISSING, Fault.FORBIDDEN, Fault.NAME, Fault.CHANGED})


class _Manner(NamedTuple):
    """How files are downloaded."""

    retry: Retry
    batch: Batch = PLAIN


async def digests(
    store: Store,
    wanted: Mapping[str, str],
    files: Mapping[str, File],
    site: Site,
    retry: Retry,
) -> dict[str, str]:
    """Return the contents of the paths in `wanted`, each in the algorithm it names there.

    Files that cannot be read are absent; a fault that is not of single files is raised.
    """
    by_algorithm: dict[str, list[str]] = defaultdict(list)
    for path, algorithm in sorted(wanted.items()):
        by_algorithm[algorithm].append(path)
    found: dict[str, str] = {}
    for algorithm, paths in by_algorithm.items():
        if algorithm == store.features.slow_hash:
            found |= await _by_server(store, paths, algorithm, site, retry)
        for some in _portions([path for path in paths if path not in found], files):
            found |= await _by_download(store, some, algorithm, site, _Manner(retry))
    return found


async def read_again(
    store: Store, wanted: Mapping[str, str], files: Mapping[str, File], site: Site, retry: Retry
) -> dict[str, str]:
    """Return the same by reading the files: what the remote says of them counts for nothing."""
    how = _Manner(retry, Batch(unchecked=True))
    found: dict[str, str] = {}
    for algorithm in sorted(set(wanted.values())):
        paths = sorted(path for path, said in wanted.items() if said == algorithm)
        for some in _portions(paths, files):
            found |= await _by_download(store, some, algorithm, site, how)
    return found


async def _by_server(
    store: Store, paths: list[str], algorithm: str, site: Site, retry: Retry
) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        told = await site.patiently(
            retry,
            lambda: site.rclone.contents(
                store.fs, paths, features=store.features, scratch=Path(scratch)
            ),
        )
    return {path: content for path, content in told.items() if _is(content, algorithm)}


async def _by_download(
    store: Store, paths: list[str], algorithm: str, site: Site, how: _Manner
) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        folder = Path(scratch)

        async def fetch() -> None:
            here = site.rclone.local(folder)
            result = await site.rclone.copy_batch(store.fs, here, paths, how.batch)
            if result.fault is not None and result.fault.fault not in _OF_SINGLE_FILES:
                raise result.fault

        await site.patiently(how.retry, fetch)
        jail, found = Jail(folder), {}
        for path in paths:
            content = await _digest(jail, path, algorithm, site)
            if content is not None:
                found[path] = content
        return found


async def _digest(jail: Jail, path: str, algorithm: str, site: Site) -> str | None:
    if contents.computable(algorithm):
        read = await contents.digest(jail, path, algorithm)
        return read[1] if read is not None else None
    try:
        return await site.hash_by_rclone(jail, path, algorithm)
    except RcloneError:
        return None


def _portions(paths: list[str], files: Mapping[str, File]) -> Iterator[list[str]]:
    some: list[str] = []
    size = 0
    for path in paths:
        if some and size + files[path].size > AT_ONCE_BYTES:
            yield some
            some, size = [], 0
        some.append(path)
        size += files[path].size
    if some:
        yield some


def _is(content: str, algorithm: str) -> bool:
    return content.startswith(f"{algorithm}:")
