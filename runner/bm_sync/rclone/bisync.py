"""Run `rclone bisync` (`sync/bisync`) on exactly the paths that a plan names.

Both prior listings are written here for every run and thrown away after it: what was last agreed
on is the caller's to remember. So nothing of a stopped, killed or failed bisync is ever believed,
no run needs a `--resync`, and bisync has no state that could be damaged. The flags are the careful
ones of the manual (https://rclone.org/bisync/), measured with rclone 1.75.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from bm_sync.rclone.bisync_listing import Listed, written
from bm_sync.rclone.bisync_rules import only
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.names import from_standard
from bm_sync.rclone.rc import Rc
from bm_sync.rclone.remotes import Fs, local_fs
from bm_sync.rclone.transfer import OnProgress

_METHOD = "sync/bisync"
_MOST_NAME_BYTES = 230  # of a session, so that its longest file name fits into 255
_POLL_S = 0.01


class Shore(Struct, frozen=True):
    """One side: `rows` are the prior listing, `backup` is where replaced versions are moved to.

    `folder` is set for a folder of this machine.
    """

    fs: Fs
    backup: Fs
    rows: tuple[Listed, ...]
    folder: Path | None = None


class Order(Struct, frozen=True):
    """One bisync. It sees `paths` and no other; `workdir` is private and empty.

    `late` ends the names of what it must rename because both sides changed after the plan.
    """

    local: Shore
    remote: Shore
    paths: tuple[str, ...]
    workdir: Path
    partial_suffix: str
    late: str
    transfers: int = 4
    checkers: int = 8


class Ended(Struct, frozen=True):
    """How a bisync ended: its first fault, and what single files failed of."""

    fault: RcloneError | None
    failed: Mapping[str, RcloneError] = field(default_factory=dict)


class Bisync:
    """Bisync on one daemon, whose private directory is `home`."""

    def __init__(self, rc: Rc, home: Path) -> None:
        self._rc = rc
        self._home = home

    async def run(self, order: Order, on_progress: OnProgress | None) -> Ended:
        """Run it to its end; when the awaiting task is cancelled it is stopped first."""
        group = self._rc.group()
        with _linked(order.local, self._home) as one, _linked(order.remote, self._home) as two:
            places = {"path1": one, "path2": two, "workdir": str(order.workdir)}
            try:
                await self._write_listings(order, places)
                params = {**places, **_flags(order), "_group": group}
                fault = await self._rc.job(_METHOD, params, on_stats=on_progress)
                return await self._ended(group, fault, order.paths)
            except RcloneError as e:
                return Ended(e)
            finally:
                await self._rc.forget(group)

    async def _write_listings(self, order: Order, places: dict[str, Any]) -> None:
        """Write both prior listings under the names that rclone gives them."""
        told = await self._names(places)
        for key, shore in (("listing1", order.local), ("listing2", order.remote)):
            file = Path(told[key])
            if len(os.fsencode(file.name)) > _MOST_NAME_BYTES:
                what = "the paths of both sides together are too long for rclone bisync"
                raise RcloneError(what, fault=Fault.CONFIG, hint="engine: reconcile has no limit")
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(file, flags, 0o600), "wb") as out:
                out.write(written(shore.rows))

    async def _names(self, places: dict[str, Any]) -> dict[str, str]:
        """Ask for the names of the listings: comparing those that are missing tells them."""
        group = self._rc.group()
        asked = {**places, "checkSync": "only", "_async": True, "_group": group}
        job = (await self._rc.ask(_METHOD, asked))["jobid"]
        while True:
            status = await self._rc.ask("job/status", {"jobid": job})
            if status["finished"]:
                break
            await asyncio.sleep(_POLL_S)
        await self._rc.forget(group)
        if not isinstance(status.get("output"), dict):
            raise self._rc.error(str(status["error"]))
        return dict(status["output"])

    async def _ended(self, group: str, fault: RcloneError | None, paths: Collection[str]) -> Ended:
        """Read the ends of single files; the error of the job itself says only "aborted"."""
        stats = await self._rc.progress(group)
        if fault is None and not stats.errors:
            return Ended(None)
        if stats.last_error:
            fault = self._rc.error(stats.last_error)
        answer = await self._rc.ask("core/transferred", {"group": group})
        failed, known = {}, set(paths)
        for one in answer["transferred"] or ():
            path, text = from_standard(one["name"]), one.get("error")
            if path is not None and path in known and text:
                failed[path] = self._rc.error(str(text))
        return Ended(fault or RcloneError("rclone bisync failed", fault=Fault.OTHER), failed)


def _flags(order: Order) -> dict[str, Any]:
    return {
        # late edits are seen by size, time, and hash where listing one costs nothing
        "compare": "size,modtime,checksum",
        "slowHashSyncOnly": True,
        "checkSync": "false",  # both sides are looked at afterwards, not two listings
        "resilient": True,
        "maxDelete": 100,  # the guards have judged the plan
        "conflictResolve": "newer",
        "conflictLoser": "num",
        "conflictSuffix": order.late,
        "backupDir1": order.local.backup.root,
        "backupDir2": order.remote.backup.root,
        "_filter": {"FilterRule": only(order.paths)},
        "_config": {
            "IgnoreTimes": True,  # what is queued is copied, whatever a comparison would say
            "NoUnicodeNormalization": True,
            "SuffixKeepExtension": True,
            "PartialSuffix": order.partial_suffix,
            "Transfers": order.transfers,
            "Checkers": order.checkers,
            "Retries": 1,
        },
    }


@contextlib.contextmanager
def _linked(shore: Shore, home: Path) -> Iterator[str]:
    """Yield the root as bisync is given it.

    The listings are named after both roots, so a folder is given by a link of a short name.
    """
    if shore.folder is None:
        yield shore.fs.root
        return
    number = 1
    while True:
        link = home / f"s{number}"
        try:
            link.symlink_to(shore.folder)
            break
        except FileExistsError:
            number += 1
    try:
        yield local_fs(link).root
    finally:
        link.unlink(missing_ok=True)
