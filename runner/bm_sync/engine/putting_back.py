"""Brings versions back that a remote itself keeps, in its trash or in a conflict copy.

Server-side. What stands at the path is kept and looked at first; what then stands there is compared
with what was kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from bm_sync.engine.distant import Distant
from bm_sync.engine.scope import agreed, as_object
from bm_sync.model.plan import Restore
from bm_sync.model.run import Outcome
from bm_sync.model.tree import ObjectStamp, Stamp, same_version
from bm_sync.rclone.remotes import Fs


class PuttingBack:
    """The half of a distant hand that brings kept versions back."""

    def __init__(self, distant: Distant) -> None:
        self._distant = distant
        self._scope = distant.scope

    async def put_back(self, items: Sequence[Restore]) -> None:
        """Copy versions to their places."""
        replacing = [i for i in items if i.target is not None]
        kept = await self._distant.keep((i, i.path) for i in replacing)
        ready = kept + [i for i in items if i.target is None]
        seen = await self._distant.look([i.path for i in ready])
        good = [i for i in ready if self._unmoved(i, seen.get(i.path))]

        async def copy(item: Restore) -> None:
            home = self._home(item)
            fs, there = self._distant.store.fs, self._distant.there(item.path)
            await self._scope.rclone.copy_file(home, item.kept, fs, there)
            label = self._distant.kept_label(item.path) if item.target is not None else None
            self._scope.ledger.acknowledge(item, label, item.content)

        done = await self._distant.each(good, copy)
        stands = await self._distant.look([i.path for i in done])
        stuck = [i for i in done if self._is_unmoved(i, stands.get(i.path))]
        if stuck:  # a remote of several shows what another member holds: that has to go first
            await self._distant.each(stuck, self._clear)
            await self._distant.each(stuck, copy)
            stands |= await self._distant.look([i.path for i in stuck])
        for item in done:
            self._verify(item, stands.get(item.path))

    def _home(self, item: Restore) -> Fs:
        return self._distant.store.base if item.in_trash else self._distant.store.fs

    async def _clear(self, item: Restore) -> None:
        await self._scope.rclone.delete_file(self._distant.store.fs, item.path)

    def _is_unmoved(self, item: Restore, seen: Stamp | None) -> bool:
        """Return whether the version to be replaced still stands, as far as its stamp can tell."""
        hashless = seen is not None and as_object(seen).content is None
        return hashless and same_version(seen, item.target)

    def _unmoved(self, item: Restore, seen: Stamp | None) -> bool:
        if same_version(seen, item.target):
            return True
        what = "another version has appeared on the remote" if seen else "the file has vanished"
        self._scope.ledger.settle(item, Outcome.DROPPED, what)
        return False

    def _verify(self, item: Restore, stamp: Stamp | None) -> None:
        """Settle an action by what stands at its path now."""
        ledger = self._scope.ledger
        if stamp is None or not _may_be(item, as_object(stamp)):
            ledger.settle(
                item, Outcome.FAILED, "what stands there is not the version that was kept"
            )
            return
        content = item.content or as_object(stamp).content
        ledger.agree(item.path, agreed(self._distant.side, content, stamp, stamp))
        label = self._distant.kept_label(item.path) if item.target is not None else None
        ledger.settle(item, Outcome.DONE, kept=label)
        self._scope.arrived(item.size)


def _may_be(item: Restore, stamp: ObjectStamp) -> bool:
    """Return whether what stands there may be the kept version; a hash tells, else the size."""
    if stamp.size != item.size:
        return False
    if item.content is None or stamp.content is None:
        return True
    alike = item.content.partition(":")[0] == stamp.content.partition(":")[0]
    return not alike or item.content == stamp.content
