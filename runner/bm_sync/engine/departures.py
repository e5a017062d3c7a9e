"""Uploads files to a side behind rclone and verifies what then stands there.

New names go up in one batch and are compared by one listing; versions that are replaced are kept
and looked at first. Only what was planned and then seen on the remote is agreed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from bm_sync.engine.distant import Distant
from bm_sync.engine.landing import Landing
from bm_sync.engine.retry import of_all_files, repeatable
from bm_sync.engine.scope import Errand, Giver, agreed, as_object, salvage
from bm_sync.model.plan import Copy, Restore
from bm_sync.model.run import Outcome
from bm_sync.model.tree import ObjectStamp, Stamp
from bm_sync.plan.case import fold
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.transfer import TOLD_AT_MOST, Batch, BatchResult
from bm_sync.rclone.wire import Progress

_NEWER = "another version has appeared on the remote"
_INDISTINCT = "the remote takes this name for that of another file"
_VANISHED = "it vanished here meanwhile"


class Departures:
    """The receiving half of a distant hand."""

    def __init__(self, distant: Distant) -> None:
        self._distant = distant
        self._store = distant.store
        self._scope = distant.scope
        self._content: dict[str, str] = {}
        self.algorithm = distant.store.features.hash or distant.scope.algorithm
        self.landing = Landing(distant)

    async def receive(self, errands: Sequence[Errand], source: Giver) -> None:
        """Upload all errands whose source is still what was planned."""
        good = await source.vouch(errands)
        ready = []
        for errand in errands:
            if errand.path in good and await self._learn(errand, source):
                ready.append(errand)
            else:
                self._settle(errand, Outcome.DROPPED, "it changed here meanwhile")
        await self._new([e for e in ready if e.target is None], source)
        await self._replacing([e for e in ready if e.target is not None], source)

    async def _learn(self, errand: Errand, source: Giver) -> bool:
        """Know the content that goes up; false when the file is no longer the planned version."""
        algorithm = self.algorithm
        if errand.content is not None and errand.content.startswith(f"{algorithm}:"):
            self._content[errand.path] = errand.content
            return True
        content = await source.content(errand.path, algorithm)
        if content is not None:
            self._content[errand.path] = content
        return content is not None

    async def _new(self, errands: Sequence[Errand], source: Giver) -> None:
        """Upload names that are new on the remote, in one batch.

        A server may take two names for one (case, NFC); such twins never go up together.
        """
        if not errands:
            return
        conditions = await self._store.conditions()
        for number, batch in enumerate(_without_twins(errands, self._store.names)):
            pending = {e.path: e for e in batch}
            if not conditions:
                await self._drop_appeared(pending)
            if number > 0:
                await self._drop_indistinct(pending)
            await self._upload(pending, source, new_only=conditions)

    async def _drop_appeared(self, pending: dict[str, Errand]) -> None:
        """Settle the names that are no longer new; the same content there is as good as sent."""
        for path, stamp in (await self._distant.look(list(pending))).items():
            errand = pending.pop(path)
            if self._is_ours(errand, as_object(stamp), trust=False):
                self._agree(errand, as_object(stamp))
            else:
                self._settle(errand, Outcome.DROPPED, _NEWER)

    async def _drop_indistinct(self, pending: dict[str, Errand]) -> None:
        """Settle the names that the server takes for those of other files."""
        rclone, fs = self._scope.rclone, self._store.fs
        for path in list(pending):
            if await self._scope.persist(partial(rclone.stat, fs, path)) is not None:
                self._settle(pending.pop(path), Outcome.FAILED, _INDISTINCT)

    async def _replacing(self, errands: Sequence[Errand], source: Giver) -> None:
        """Keep the versions that will be replaced, look at them again, upload over them."""
        if not errands:
            return
        by_action = {e.action: e for e in errands if isinstance(e.action, Copy | Restore)}
        kept = await self._distant.keep((a, e.path) for a, e in by_action.items() if not e.kept_as)
        ready = [by_action[a] for a in kept] + [e for e in errands if e.kept_as]
        seen = await self._distant.look([e.path for e in ready])
        pending = {e.path: e for e in ready if self._unmoved(e, seen.get(e.path))}
        if await self._store.conditions():
            await self._upload_if(pending, source)
        else:
            await self._upload(pending, source, new_only=False)

    def _unmoved(self, errand: Errand, seen: Stamp | None) -> bool:
        if seen == errand.target:
            return True
        self._settle(errand, Outcome.DROPPED, _NEWER if seen else "the file has vanished")
        return False

    async def _upload_if(self, pending: dict[str, Errand], source: Giver) -> None:
        """Upload each file on the condition that it replaces the version that was kept."""
        rclone, there = self._scope.rclone, self._store.fs
        by_action = {e.action: e for e in pending.values() if isinstance(e.action, Copy | Restore)}

        async def put(action: Copy | Restore) -> None:
            etag = _etag(by_action[action].target)
            async with source.lend([action.path]) as here:
                await rclone.copy_file(here, action.path, there, action.path, if_match=etag)

        done = await self._distant.each(list(by_action), put)
        sent = {a.path: by_action[a] for a in done}
        await self._verify(sent, source, sent.keys())
        for errand in sent.values():
            self._settle(errand, Outcome.FAILED, "the upload did not take")

    async def _upload(self, pending: dict[str, Errand], source: Giver, *, new_only: bool) -> None:
        if not pending:
            return

        async def attempt() -> None:
            result = await self._send(pending, source, new_only=new_only)
            if pending and result.fault is not None:
                raise result.fault

        try:
            await self._scope.persist(attempt)
        except RcloneError as e:
            await self._sort_out(pending, source, e, new_only=new_only)
        for errand in pending.values():
            self._settle(errand, Outcome.DROPPED, _VANISHED)

    async def _send(
        self, pending: dict[str, Errand], source: Giver, *, new_only: bool
    ) -> BatchResult:
        """Send what is pending; return how it ended as if it were one batch."""
        limits = self._scope.policy.limits
        how = Batch(transfers=limits.transfers, checkers=limits.checkers, new_only=new_only)
        ended = BatchResult(None)
        try:
            for portion in await source.portions(list(pending.values())):
                result = await self._send_portion(portion, source, how, ended)
                ended = ended.followed_by(result)
                if of_all_files(result.fault):
                    break
        except asyncio.CancelledError:
            new = {path for path, errand in pending.items() if errand.target is None}
            whole = new if self._store.features.atomic_put else ()
            await salvage(self._conclude(pending, source, whole))
            raise
        await self._conclude(pending, source, pending if ended.fault is None else ended.sent)
        return ended

    async def _send_portion(
        self, portion: Sequence[Errand], source: Giver, how: Batch, before: BatchResult
    ) -> BatchResult:
        def progress(seen: Progress) -> None:
            files, size = before.files + seen.files, before.bytes + seen.bytes
            self._scope.progress(replace(seen, files=files, bytes=size))

        target = self.landing.fs if self.landing.needed else self._store.fs
        paths = [errand.path for errand in portion]
        async with source.lend(paths) as root:
            result = await self._scope.rclone.copy_batch(root, target, paths, how, progress)
        return result if result.fault is not None else replace(result, sent=frozenset(paths))

    async def _conclude(
        self, pending: dict[str, Errand], source: Giver, sent: Collection[str]
    ) -> None:
        """Settle what has gone up; see `_verify` for `sent`."""
        if self.landing.needed:
            sent = await self.landing.move_in(pending)
        await self._verify(pending, source, sent)

    async def _sort_out(
        self, pending: dict[str, Errand], source: Giver, fault: RcloneError, *, new_only: bool
    ) -> None:
        """Settle what a batch left, in batches so small that each file's own end is told."""
        unseen: dict[str, Errand] = {}
        while pending:
            some = dict(islice(pending.items(), TOLD_AT_MOST))
            for path in some:
                del pending[path]
            tried = len(some)
            try:
                result = await self._send(some, source, new_only=new_only)
            except RcloneError as e:
                result = BatchResult(e)
            for path, errand in some.items():
                cause = result.failed.get(path) or result.fault
                if new_only and cause is not None and cause.fault is Fault.CHANGED:
                    unseen[path] = errand
                else:
                    self._refuse(errand, cause)
            if len(some) == tried and result.fault is not None and repeatable(result.fault):
                fault = result.fault
                break
        for errand in pending.values():
            self._refuse(errand, fault)
        pending.clear()
        await self._insist(unseen, source)

    async def _insist(self, unseen: dict[str, Errand], source: Giver) -> None:
        """Upload names that the store refused as not new, though nothing was seen there.

        SeaweedFS 4.48 does so where a folder of that name has just been emptied.
        """
        await self._drop_appeared(unseen)
        await self._upload(unseen, source, new_only=False)

    def _refuse(self, errand: Errand, cause: RcloneError | None) -> None:
        if cause is None:
            self._settle(errand, Outcome.DROPPED, _VANISHED)
        elif cause.fault is Fault.CHANGED:
            self._settle(errand, Outcome.DROPPED, _NEWER)
        else:
            self._settle(errand, Outcome.FAILED, cause.what)

    async def _verify(
        self, pending: dict[str, Errand], source: Giver, sent: Collection[str]
    ) -> None:
        """Settle every pending errand whose file now stands on the remote.

        `sent`: those that went up by rclone's word, for which without hashes an equal size is
        enough.
        """
        seen = await self._distant.look(list(pending))
        still = await source.vouch([pending[p] for p in seen])
        for path, stamp in seen.items():
            errand = pending[path]
            ours = self._is_ours(errand, as_object(stamp), trust=path in sent)
            if not ours and (stamp == errand.target or not _tells(stamp)):
                continue
            del pending[path]
            if not ours:
                self._settle(errand, Outcome.DROPPED, _NEWER)
            elif path in still:
                self._agree(errand, as_object(stamp))
            else:
                self._settle(errand, Outcome.DROPPED, "it changed here while it was copied")

    def _is_ours(self, errand: Errand, stamp: ObjectStamp, *, trust: bool) -> bool:
        content = self._content[errand.path]
        if stamp.content is not None and _same_algorithm(stamp.content, content):
            return stamp.content == content
        return trust and stamp.size == errand.size

    def _agree(self, errand: Errand, stamp: ObjectStamp) -> None:
        row = agreed(self._distant.side, self._content[errand.path], stamp, errand.source)
        self._scope.ledger.agree(errand.path, row)
        kept = errand.kept_as
        if kept is None and errand.target is not None:
            kept = self._distant.kept_label(errand.path)
        self._settle(errand, Outcome.DONE, kept=kept)
        self._scope.arrived(errand.size)

    def _settle(
        self, errand: Errand, outcome: Outcome, detail: str | None = None, kept: str | None = None
    ) -> None:
        self._scope.ledger.settle(errand.action, outcome, detail, kept)


def _without_twins(errands: Sequence[Errand], names: Collection[str]) -> list[list[Errand]]:
    """Return batches in which no two names are alike to a server that ignores case or NFC.

    Those of the first batch are not like any of `names` either.
    """
    batches: list[list[Errand]] = [[]]
    met = Counter(fold(name) for name in names)
    for errand in errands:
        name = fold(errand.path)
        while met[name] >= len(batches):
            batches.append([])
        batches[met[name]].append(errand)
        met[name] += 1
    return batches


def _etag(stamp: Stamp | None) -> str | None:
    """Return the ETag of a version, None where it is not known (uploads in parts)."""
    if stamp is None:
        return None
    seen = as_object(stamp)
    algorithm, _, value = (seen.content or "").partition(":")
    return value if algorithm == "md5" else seen.tag


def _tells(stamp: Stamp) -> bool:
    return as_object(stamp).content is not None


def _same_algorithm(one: str, two: str) -> bool:
    return one.partition(":")[0] == two.partition(":")[0]
