"""Merges texts that both sides changed, and keeps the texts that this needs.

Only for projects whose policy says `conflict: {winner: merge}`. Reads both versions while the plan
is made, so that the plan can say what will be merged; what does not merge cleanly is left to the
planner, which keeps both.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bm_sync.engine.contents import computable
from bm_sync.engine.jail import BlockedError, Jail, stamp_of
from bm_sync.engine.ledger import Ledger
from bm_sync.engine.merge3 import merge
from bm_sync.engine.observe import Seen
from bm_sync.engine.site import Site
from bm_sync.model.config import Mode
from bm_sync.model.tree import Agreed, File, FileStamp, Merged
from bm_sync.plan import barrier
from bm_sync.plan.change import PathDiff, diffs
from bm_sync.plan.content import known
from bm_sync.rclone.faults import RcloneError
from bm_sync.state.store import State
from bm_sync.structs import replace

TEXT_AT_MOST = 256 << 10  # bytes of a text that is kept in the state


async def merged(seen: Seen, site: Site) -> Seen:
    """Return what was seen with what every mergeable conflict comes to."""
    if seen.project.policy.mode is not Mode.TWO_WAY:
        return seen
    blocked = barrier.of(seen.observation)
    fresh: dict[str, bytes] = {}
    told: dict[str, Merged] = {}
    for diff in diffs(seen.observation, seen.project.policy.compare):
        if not diff.contested or blocked.file(diff.path):
            continue
        text = await _merged(diff, seen, site)
        if text is not None:
            fresh[diff.path] = text
            told[diff.path] = Merged(_digest(text, seen.algorithm), len(text))
    if not fresh:
        return seen
    return replace(seen, fresh=fresh, observation=replace(seen.observation, merges=told))


async def _merged(diff: PathDiff, seen: Seen, site: Site) -> bytes | None:
    if diff.row is None or diff.row.content is None or not computable(seen.algorithm):
        return None
    assert diff.local is not None and diff.remote is not None  # noqa: S101, PT018 - contested
    if max(diff.local.size, diff.remote.size) > TEXT_AT_MOST:
        return None
    base = site.state.past.text(seen.key, diff.path, diff.row.content)
    if seen.local_root is None:
        return None
    here = _read(seen.jail(seen.local_root), diff.path, diff.local)
    if base is None or here is None:
        return None
    there = await _remote(diff.path, diff.remote, seen, site)
    if there is None or not all(_is_text(text) for text in (here, there)):
        return None
    return merge(base, here, there)


def _read(jail: Jail, path: str, file: File) -> bytes | None:
    """Return the very version that was seen in a folder of this machine, None when it has gone."""
    try:
        with os.fdopen(jail.open(path), "rb") as opened:
            data = opened.read(TEXT_AT_MOST + 1)
            stamp = stamp_of(os.fstat(opened.fileno()))
    except (OSError, BlockedError):
        return None
    return data if stamp == file.stamp and len(data) <= TEXT_AT_MOST else None


async def _remote(path: str, file: File, seen: Seen, site: Site) -> bytes | None:
    if seen.remote_folder is not None:
        return _read(seen.jail(seen.remote_folder), path, file)
    store = seen.store
    assert store is not None  # noqa: S101 - one of both is set
    try:
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            here = site.rclone.local(Path(scratch))
            await site.rclone.copy_file(store.fs, path, here, "version")
            data = (Path(scratch) / "version").read_bytes()
    except RcloneError:
        return None
    content = known(file)
    if content is not None and _digest(data, content.partition(":")[0]) not in (None, content):
        return None
    return data if len(data) == file.size else None


def _digest(data: bytes, algorithm: str) -> str | None:
    if not computable(algorithm):
        return None
    return f"{algorithm}:{hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()}"


def _is_text(data: bytes) -> bool:
    if b"\0" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def remember(seen: Seen, ledger: Ledger, state: State) -> None:
    """Keep the text of every agreed file that is a text and not kept yet."""
    rows = {p: r for p, r in seen.observation.baseline.files.items() if p not in ledger.drop}
    rows |= ledger.put
    kept = state.past.text_digests(seen.key)
    put = _texts({p: r for p, r in rows.items() if kept.get(p) != r.content}, seen)
    drop = [path for path in ledger.drop if path in kept]
    if put or drop:
        state.past.put_texts(seen.key, put, drop)


def _texts(rows: Mapping[str, Agreed], seen: Seen) -> dict[str, tuple[str, bytes]]:
    found = {}
    assert seen.local_root is not None  # noqa: S101 - a manifest with `from` declares no merging
    jail = seen.jail(seen.local_root)
    jail.hold()
    for path, row in rows.items():
        small = isinstance(row.local, FileStamp) and row.local.size <= TEXT_AT_MOST
        data = _read(jail, path, File(row.local)) if small and row.content else None
        if data is not None and row.content is not None and _is_text(data):
            found[path] = row.content, data
    return found
