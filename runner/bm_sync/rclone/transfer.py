"""Move bytes: batches by exact list, and single files.

It skips nothing and compares nothing; what is copied was decided before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec import Struct, field

from bm_sync.errors import BmSyncError
from bm_sync.rclone.faults import RcloneError
from bm_sync.rclone.listing import ONE_BY_ONE_AT_MOST, spoken
from bm_sync.rclone.lists import Lists
from bm_sync.rclone.names import from_standard
from bm_sync.rclone.rc import Rc
from bm_sync.rclone.remotes import LOCAL_TYPE, S3_TYPE, Fs
from bm_sync.rclone.wire import Progress

OnProgress = Callable[[Progress], None]
# The daemon starts with little (see `daemon`), enough for listings. Measured, 10,000 uploads of
# 1 KB: 400 percent takes the least CPU time of 50, 100 and 400, 12 % less than 50.
_ROOM = (
    ("debug/set-soft-memory-limit", {"mem-limit": 1 << 30}),
    ("debug/set-gc-percent", {"gc-percent": 400}),
)
TOLD_AT_MOST = 100  # maxCompletedTransfers in fs/accounting of rclone 1.75


class Batch(Struct, frozen=True):
    """How a batch runs.

    `new_only`: the store refuses to replace anything (only where conditions are supported).
    `unchecked`: what arrives is not compared with the hash that the source tells. `on_sent` is told
    each path that the target has taken, at once where that is known.
    """

    transfers: int = 4
    checkers: int = 8
    timeout_s: float | None = None
    new_only: bool = False
    unchecked: bool = False
    on_sent: Callable[[str], None] | None = None


PLAIN = Batch()


class BatchResult(Struct, frozen=True):
    """How a batch ended: its first fault, and of one that had a fault the ends of single files.

    rclone remembers only the last hundred of those (`TOLD_AT_MOST`); which files arrived shows a
    listing. `ended` is what a person has to mend before anything goes on, such as a sign-in.
    """

    fault: RcloneError | None
    files: int = 0
    bytes: int = 0
    failed: Mapping[str, RcloneError] = field(default_factory=dict)
    sent: frozenset[str] = frozenset()
    ended: BmSyncError | None = None

    def followed_by(self, other: BatchResult) -> BatchResult:
        """Return how both ended, as if they had been one batch."""
        return BatchResult(
            self.fault or other.fault,
            self.files + other.files,
            self.bytes + other.bytes,
            {**self.failed, **other.failed},
            self.sent | other.sent,
            self.ended or other.ended,
        )


class Condition(Struct, frozen=True):
    """What must hold at the destination of an upload: an exact version, or nothing at all."""

    if_match: str | None = None
    if_none: bool = False

    def headers(self) -> list[dict[str, str]]:
        """Return the upload headers that say so."""
        if self.if_none:
            return [{"Key": "If-None-Match", "Value": "*"}]
        if self.if_match is not None:
            tag = self.if_match.rpartition(":")[2].strip('"')
            return [{"Key": "If-Match", "Value": f'"{tag}"'}]
        return []


class Pair(Struct, frozen=True):
    """Where files come from and where they go."""

    src: Fs
    dst: Fs

    @property
    def tells_no_hash(self) -> bool:
        """Return whether what rclone would compare afterwards may be no hash of the content.

        Of S3 it takes ETags for it, and deletes an upload whose ETag is none. There the store has
        compared the MD5 that goes with every upload, and the caller looks at what then stands.
        """
        return self.dst.type == S3_TYPE or self.src.opaque


class Transfers:
    """The operations that change something, on one daemon."""

    def __init__(self, rc: Rc, lists: Lists, partial_suffix: str) -> None:
        self._rc = rc
        self._lists = lists
        self._roomy = False
        self._config = {
            "NoCheckDest": True,  # no look at the destination; nothing is ever skipped
            "IgnoreTimes": True,
            "NoUnicodeNormalization": True,
            "PartialSuffix": partial_suffix,
        }

    async def batch(
        self, pair: Pair, paths: Collection[str], how: Batch, on_progress: OnProgress | None
    ) -> BatchResult:
        """Copy exactly `paths`; see `Rclone.copy_batch`."""
        if pair.dst.type != LOCAL_TYPE or pair.src.type != LOCAL_TYPE:
            for path in paths:
                spoken(path)
        await self._make_room()
        group = self._rc.group()
        with self._lists.of(paths) as chosen:
            params = {
                "srcFs": pair.src.root,
                "dstFs": pair.dst.root,
                "_group": group,
                "_filter": chosen,
                "_config": self._batch_config(pair, how, len(paths)),
            }
            try:
                fault = await self._rc.job(
                    "sync/copy", params, timeout_s=how.timeout_s, on_stats=on_progress
                )
                return await self._result(group, fault)
            except RcloneError as e:
                return BatchResult(e)
            finally:
                await self._rc.forget(group)

    async def copy(self, pair: Pair, src_path: str, dst_path: str, condition: Condition) -> None:
        """Copy one file, on the server where the backend can."""
        await self._make_room()
        headers = condition.headers()
        config = {**self._config, **({"UploadHeaders": headers} if headers else {})}
        config["IgnoreChecksum"] = pair.tells_no_hash
        await self._rc.do("operations/copyfile", _files(pair, src_path, dst_path, config))

    async def move(self, pair: Pair, src_path: str, dst_path: str) -> None:
        """Move one file, on the server where the backend can."""
        await self._make_room()
        config = {**self._config, "IgnoreChecksum": pair.tells_no_hash}
        await self._rc.do("operations/movefile", _files(pair, src_path, dst_path, config))

    async def _make_room(self) -> None:
        """Let rclone use the memory that transfers need; it starts with a limit for listings."""
        if not self._roomy:
            self._roomy = True
            for method, value in _ROOM:
                await self._rc.ask(method, dict(value))

    def _batch_config(self, pair: Pair, how: Batch, count: int) -> dict[str, Any]:
        # a folder of this machine is listed, which costs little and leaves out pipes: opened one by
        # one they block for ever
        single = count <= ONE_BY_ONE_AT_MOST and pair.src.type != LOCAL_TYPE
        config: dict[str, Any] = {
            **self._config,
            "Transfers": how.transfers,
            "Checkers": how.checkers,
            "NoTraverse": single,
            "IgnoreChecksum": how.unchecked or pair.tells_no_hash,
        }
        if how.new_only:
            config["UploadHeaders"] = Condition(if_none=True).headers()
        return config

    async def _result(self, group: str, fault: RcloneError | None) -> BatchResult:
        stats = await self._rc.progress(group)
        if fault is None and stats.errors:
            fault = self._rc.error(stats.last_error)
        if fault is None:
            return BatchResult(None, stats.files, stats.bytes)
        ends = await self._ends(group)
        failed = {path: self._rc.error(text) for path, text in ends.items() if text}
        sent = frozenset(path for path, text in ends.items() if not text)
        return BatchResult(fault, stats.files, stats.bytes, failed, sent)

    async def _ends(self, group: str) -> dict[str, str]:
        """Return the files of a group that were tried, with what each failed of, if it did."""
        answer = await self._rc.ask("core/transferred", {"group": group})
        told = ((from_standard(t["name"]), t.get("error")) for t in answer["transferred"] or ())
        return {path: str(text or "") for path, text in told if path is not None}


def _files(pair: Pair, src_path: str, dst_path: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "srcFs": pair.src.root,
        "srcRemote": spoken(src_path),
        "dstFs": pair.dst.root,
        "dstRemote": spoken(dst_path),
        "_config": config,
    }
