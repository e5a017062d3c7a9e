"""Uploads files to a side behind rclone and verifies what then stands there.

New names go up in one batch and are compared by one listing; versions that are replaced are kept
and looked at first. Only what was planned and then seen on the remote is agreed.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from bm_sync.engine.distant import Distant
from bm_sync.engine.landing import Landing
from bm_sync.engine.retry import of_all_files, repeatable
from bm_sync.engine.scope import Errand, Giver, agreed, as_object, salvage
from bm_sync.errors import LockedError
from bm_sync.model.plan import Copy, Restore
from bm_sync.model.run import Outcome
from bm_sync.model.tree import ObjectStamp, Stamp, same_version
from bm_sync.plan.spellings import fold
from bm_sync.rclone.faults import Fault, RcloneError
from bm_sync.rclone.remotes import S3_TYPE, Fs
from bm_sync.rclone.transfer import TOLD_AT_MOST, Batch, BatchResult
from bm_sync.rclone.wire import Progress
from bm_sync.structs import replace

_NEWER = "another version has appeared on the remote"
_INDISTINCT = "the remote takes this name for that of another file"
_VANISHED = "it vanished here meanwhile"
_NOT_TAKEN = "the upload did not take: the remote still shows the version before it"
_MD5 = "md5"
_PART = 5 << 20  # no object is made of smaller parts, but for the last one


class Departures:
    """The receiving half of a distant hand."""

    def __init__(self, distant: Distant) -> None:
        self._distant = distant
        self._scope = distant.scope
        self._content: dict[str, str] = {}
        self.algorithm = distant.store.features.hash or distant.scope.algorithm
        self.landing = Landing(distant)
        self._told_tags = True  # whether what a listing tells as MD5 is what the store calls it

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
        conditions = await self._distant.store.conditions()
        for number, batch in enumerate(_without_twins(errands, self._distant.store.names)):
            pending = {e.path: e for e in batch}
            if number > 0:
                await self._drop_indistinct(pending)
            if not conditions:
                await self._drop_appeared(pending)
            self._vanished(await self._upload(pending, source, new_only=conditions))

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
        rclone, fs = self._scope.rclone, self._distant.store.fs
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
        if await self._distant.store.conditions():
            await self._upload_if(pending, source)
        else:
            await self._upload_over(pending, source)
        left = {a: e.target for a in kept if (e := by_action[a]).target is not None}
        await self._distant.drop_needless(left)

    async def _upload_over(self, pending: dict[str, Errand], source: Giver) -> None:
        """Upload over versions where no condition can say which.

        Remotes that are made of several others may write a file that nobody reads, beside the one
        that stands: there the new version lands aside, and the old one is removed before it moves
        in.
        """
        left = await self._upload(pending, source, new_only=False)
        still = await source.vouch(list(left.values()))
        again = {p: e for p, e in left.items() if p in still}
        if again and self.landing.clear_first():
            left |= await self._upload(dict(again), source, new_only=False)
            left = {p: e for p, e in left.items() if not self._is_settled(e)}
        for path, errand in left.items():
            if path in still:
                self._settle(errand, Outcome.FAILED, _NOT_TAKEN)
            else:
                self._settle(errand, Outcome.DROPPED, _VANISHED)

    def _unmoved(self, errand: Errand, seen: Stamp | None) -> bool:
        if same_version(seen, errand.target):
            return True
        self._settle(errand, Outcome.DROPPED, _NEWER if seen else "the file has vanished")
        return False

    async def _upload_if(self, pending: dict[str, Errand], source: Giver) -> None:
        """Upload each file on the condition that it replaces the version that was kept."""
        by_action = {e.action: e for e in pending.values() if isinstance(e.action, Copy | Restore)}

        async def put(action: Copy | Restore) -> None:
            async with source.lend([action.path]) as here:
                await self._put_if(by_action[action], here)
            self._acknowledge(by_action[action])

        done = await self._distant.each(list(by_action), put)
        sent = {a.path: by_action[a] for a in done}
        await self._verify(sent, source, sent.keys())
        for errand in sent.values():
            self._settle(errand, Outcome.FAILED, _NOT_TAKEN)

    async def _put_if(self, errand: Errand, here: Fs) -> None:
        """Upload one file over the version that it replaces, by the name the store has for that.

        What is refused although that version stands was not its name. A store that does not tell
        the name takes the file without a condition, right after the look.
        """
        rclone, fs, path = self._scope.rclone, self._distant.store.fs, errand.path
        tag = await self._tag_of(errand)
        try:
            await rclone.copy_file(here, path, fs, self._distant.there(path), if_match=tag)
        except RcloneError as e:
            if e.fault is not Fault.CHANGED or tag is None:
                raise
            seen = (await self._distant.look([path])).get(path)
            stands = same_version(seen, errand.target)
            other = await rclone.etag(fs, path) if stands else tag
            if other == tag:
                raise
            self._told_tags = False
            await rclone.copy_file(here, path, fs, self._distant.there(path), if_match=other)

    async def _tag_of(self, errand: Errand) -> str | None:
        """Return what the store calls the version that is replaced; None when nobody can tell.

        An object that went up in parts, of 5 MiB or more, has a name of its own; rclone tells the
        MD5 that it wrote down for it.
        """
        assert errand.target is not None  # noqa: S101 - it replaces something
        seen = as_object(errand.target)
        algorithm, _, value = (seen.content or "").partition(":")
        if algorithm != "md5" and seen.tag is not None:
            return seen.tag
        if algorithm == "md5" and seen.size < _PART and self._told_tags:
            return value
        return await self._scope.rclone.etag(self._distant.store.fs, errand.path)

    async def _upload(
        self, pending: dict[str, Errand], source: Giver, *, new_only: bool
    ) -> dict[str, Errand]:
        """Upload a batch; return what neither arrived nor failed."""
        if not pending:
            return {}

        async def attempt() -> None:
            result = await self._send(pending, source, new_only=new_only)
            if pending and result.fault is not None:
                raise result.fault

        try:
            await self._scope.persist(attempt)
        except RcloneError as e:
            await self._sort_out(pending, source, e, new_only=new_only)
        return pending

    async def _send(
        self, pending: dict[str, Errand], source: Giver, *, new_only: bool
    ) -> BatchResult:
        """Send what is pending; return how it ended as if it were one batch."""
        limits = self._scope.policy.limits
        how = Batch(
            transfers=limits.transfers,
            checkers=limits.checkers,
            new_only=new_only,
            on_sent=None if self.landing.needed else lambda p: self._acknowledge(pending[p]),
        )
        ended = BatchResult(None)
        try:
            for portion in await source.portions(list(pending.values())):
                result = await self._send_portion(portion, source, how, ended)
                ended = ended.followed_by(result)
                if of_all_files(result.fault):
                    break
        except (asyncio.CancelledError, LockedError):
            new = {path for path, errand in pending.items() if errand.target is None}
            whole = new if self._distant.store.features.atomic_put else ()
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

        target = self.landing.fs if self.landing.needed else self._distant.store.fs
        paths = [errand.path for errand in portion]
        odd = [] if self.landing.needed else [p for p in paths if self._distant.there(p) != p]
        rest = [p for p in paths if p not in odd] if odd else paths
        async with source.lend(paths) as root:
            result = await self._send_renamed(root, odd, how)
            if rest:
                batch = await self._scope.rclone.copy_batch(root, target, rest, how, progress)
                result = result.followed_by(batch)
        if how.on_sent is not None:
            for path in result.sent:
                how.on_sent(path)
        if result.ended is not None:
            raise result.ended
        return result if result.fault is not None else replace(result, sent=frozenset(paths))

    async def _send_renamed(self, here: Fs, paths: Sequence[str], how: Batch) -> BatchResult:
        """Send files that the remote spells otherwise, each by itself: a batch has one name."""
        fs, rclone = self._distant.store.fs, self._scope.rclone
        ended = BatchResult(None)
        for path in paths:
            try:
                there = self._distant.there(path)
                await rclone.copy_file(here, path, fs, there, if_none=how.new_only)
            except RcloneError as e:
                ended = ended.followed_by(BatchResult(e, failed={path: e}))
            else:
                ended = ended.followed_by(BatchResult(None, files=1, sent=frozenset({path})))
        return ended

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
        self._vanished(await self._upload(unseen, source, new_only=False))

    def _refuse(self, errand: Errand, cause: RcloneError | None) -> None:
        if self._scope.ledger.is_acknowledged(errand.action):
            return  # it has gone up, and only looking at it again was refused
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
        enough. What still is the version to be replaced stays pending.
        """
        seen = {p: as_object(s) for p, s in (await self._distant.look(list(pending))).items()}
        if await self._hashes_are_none(pending, seen):
            seen = {p: as_object(s) for p, s in (await self._distant.look(list(pending))).items()}
        ours = {p for p in seen if self._is_ours(pending[p], seen[p], trust=p in sent)}
        alike = [p for p in ours if seen[p] == pending[p].target and not _tells(seen[p])]
        ours -= await self._unread(alike, source)
        still = await source.vouch([pending[p] for p in seen])
        for path, stamp in seen.items():
            errand = pending[path]
            if path not in ours and (same_version(stamp, errand.target) or not _tells(stamp)):
                continue
            del pending[path]
            if path not in ours:
                self._settle(errand, Outcome.DROPPED, _NEWER)
            elif path in still:
                self._agree(errand, stamp)
            else:
                self._settle(errand, Outcome.DROPPED, "it changed here while it was copied")

    async def _unread(self, paths: Sequence[str], source: Giver) -> set[str]:
        """Return those paths at which other bytes are read than were sent.

        The stamp is that of the version to be replaced: either nobody reads the new one, or both
        have size and time in common.
        """
        if not paths:
            return set()
        store = self._distant.store
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            found = await self._scope.persist(
                lambda: self._scope.rclone.contents(
                    store.fs, paths, features=store.features, scratch=Path(scratch)
                )
            )
        other = set(paths) - found.keys()
        for path, content in found.items():
            known = self._content[path]
            if not _same_algorithm(known, content):
                known = await source.content(path, content.partition(":")[0]) or ""
            if known != content:
                other.add(path)
        return other

    async def _hashes_are_none(
        self, pending: dict[str, Errand], seen: dict[str, ObjectStamp]
    ) -> bool:
        """Return whether it turns out that what the store tells as MD5 is none.

        Buckets that encrypt with KMS keys have ETags that look like one. The smallest file that
        seems to hold something else is read for it.
        """
        fs = self._distant.store.fs
        if fs.type != S3_TYPE or fs.opaque:
            return False
        odd = [p for p, s in seen.items() if _tells(s) and self._may_be_ours(pending[p], s)]
        path = min(odd, key=lambda p: seen[p].size, default=None)
        if path is None:
            return False
        with tempfile.TemporaryDirectory(prefix="bm-sync-") as scratch:
            real = await self._scope.rclone.downloaded(fs, path, _MD5, Path(scratch))
        if real is None or real == seen[path].content:
            return False
        self._distant.turn_opaque()
        return True

    def _may_be_ours(self, errand: Errand, stamp: ObjectStamp) -> bool:
        """Return whether a version differs from what was sent by its hash alone."""
        moved = not same_version(stamp, errand.target) and stamp.size == errand.size
        return moved and stamp.content != self._content[errand.path]

    def _is_ours(self, errand: Errand, stamp: ObjectStamp, *, trust: bool) -> bool:
        content = self._content[errand.path]
        if stamp.content is not None and _same_algorithm(stamp.content, content):
            return stamp.content == content
        return trust and stamp.size == errand.size

    def _agree(self, errand: Errand, stamp: ObjectStamp) -> None:
        row = agreed(self._distant.side, self._content[errand.path], stamp, errand.source)
        self._scope.ledger.agree(errand.path, row)
        self._settle(errand, Outcome.DONE, kept=self._distant.kept_of(errand))
        self._scope.arrived(errand.size)

    def _acknowledge(self, errand: Errand) -> None:
        """Note that a file has gone up; a fault from here on is one of looking at it again."""
        kept = self._distant.kept_of(errand)
        self._scope.ledger.acknowledge(errand.action, kept, self._content.get(errand.path))

    def _vanished(self, left: dict[str, Errand]) -> None:
        for errand in left.values():
            self._settle(errand, Outcome.DROPPED, _VANISHED)

    def _is_settled(self, errand: Errand) -> bool:
        return self._scope.ledger.outcome(errand.action) is not None

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


def _tells(stamp: Stamp) -> bool:
    return as_object(stamp).content is not None


def _same_algorithm(one: str, two: str) -> bool:
    return one.partition(":")[0] == two.partition(":")[0]
