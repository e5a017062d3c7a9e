"""Tells the contents of files behind rclone in the algorithm that somebody asks for.

What the server computes costs nothing but its time; all else is downloaded, hashed and removed, so
much at a time that a disk does not fill.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from bm_sync.engine import contents
from bm_sync.engine.distant import Store
from bm_sync.engine.jail import Jail
from bm_sync.engine.site import Site
from bm_sync.model.config import Retry
from bm_sync.model.tree import File
from bm_sync.rclone.faults import Fault, RcloneError

AT_ONCE_BYTES = 1 << 30
_OF_SINGLE_FILES = frozenset({Fault.MISSING, Fault.FORBIDDEN, Fault.NAME, Fault.CHANGED})


async def digests(
    store: Store, wanted: Mapping[str, str], files: Mapping[str, File], site: Site, retry: Retry
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
            found |= await _by_download(store, some, algorithm, site, retry)
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
    store: Store, paths: list[str], algorithm: str, site: Site, retry: Retry
) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
        folder = Path(scratch)

        async def fetch() -> None:
            result = await site.rclone.copy_batch(store.fs, site.rclone.local(folder), paths)
            if result.fault is not None and result.fault.fault not in _OF_SINGLE_FILES:
                raise result.fault

        await site.patiently(retry, fetch)
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
