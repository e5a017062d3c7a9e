"""What each side did to each path since the last agreement.

Only paths that are not quiet become values: a quiet path has both stamps of its row. What to do
about a change is decided in `policy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from itertools import filterfalse

from msgspec import Struct

from bm_sync.model.config import Compare
from bm_sync.model.tree import Agreed, File, Observation, Side, Stamp, same_version
from bm_sync.plan.content import known, same


class Change(Enum):
    """What one side did to one path."""

    ABSENT = auto()  # no file, and none was agreed on
    UNCHANGED = auto()  # the version last agreed on
    CREATED = auto()  # a file where none was agreed on
    MODIFIED = auto()  # another version than the one agreed on, or one that cannot be told
    DELETED = auto()  # agreed on, gone


class PathDiff(Struct, frozen=True):
    """One path with its row, its two files and what either side did."""

    path: str
    row: Agreed | None
    local: File | None
    remote: File | None
    local_change: Change
    remote_change: Change

    def file(self, side: Side) -> File | None:
        """Return the file of a side."""
        return self.local if side is Side.LOCAL else self.remote

    def change(self, side: Side) -> Change:
        """Return what a side did."""
        return self.local_change if side is Side.LOCAL else self.remote_change

    def content(self, side: Side) -> str | None:
        """Return the digest of a side's version; an unchanged one has that of the row."""
        file = self.file(side)
        if file is None:
            return None
        if self.row is not None and self.change(side) is Change.UNCHANGED:
            return self.row.content or known(file)
        return known(file)

    @property
    def agreed_content(self) -> str | None:
        """Return the digest for a row of two equal versions."""
        return self.content(Side.LOCAL) or self.content(Side.REMOTE)

    @property
    def contested(self) -> bool:
        """Return whether both sides hold versions that the other does not know."""
        changes = {self.local_change, self.remote_change}
        return changes <= {Change.CREATED, Change.MODIFIED} and not self.equal

    @property
    def equal(self) -> bool:
        """Return whether both sides are known to hold the same content."""
        if self.local is None or self.remote is None:
            return False
        if self.local_change is Change.UNCHANGED and self.remote_change is Change.UNCHANGED:
            return True
        if self.local.size != self.remote.size:
            return False
        as_agreed = same(self.content(Side.LOCAL), self.content(Side.REMOTE))
        as_seen = same(known(self.local), known(self.remote))
        return as_seen is not False and (as_seen or as_agreed) is True


def rows(observation: Observation) -> Mapping[str, Agreed]:
    """Return the rows that count: none without a memory, and none that a filter just hid."""
    if not observation.baseline.known:
        return {}
    leaves = frozenset(observation.filter_change.leaves)
    found = observation.baseline.files
    return {p: row for p, row in found.items() if p not in leaves} if leaves else found


def restless(observation: Observation, compare: Compare) -> list[str]:
    """Return the paths that may have something to tell, in no order.

    Of the agreed ones those whose stamps do not both stand (all of them when everything is
    compared), of the others every one. It looks at each path once and makes nothing for it.
    """
    local, remote = observation.local.files, observation.remote.files
    agreed = rows(observation)
    found = list(agreed) if compare is Compare.FULL else _stirred(agreed, local, remote)
    stands = len(agreed) - len(found)
    new: set[str] = set()
    for files in (local, remote):
        if stands + sum(map(files.__contains__, found)) < len(files):
            new.update(filterfalse(agreed.__contains__, files))
    return [*found, *new]


def _stirred(
    agreed: Mapping[str, Agreed], local: Mapping[str, File], remote: Mapping[str, File]
) -> list[str]:
    """Return the agreed paths whose stamps do not both stand."""
    found = []
    for path, row in agreed.items():
        here, there = local.get(path), remote.get(path)
        # Not `_stands`: a call for each path would cost as much again.
        if here is None or there is None or here.stamp != row.local or there.stamp != row.remote:
            found.append(path)
    return found


def diffs(observation: Observation, compare: Compare) -> list[PathDiff]:
    """Return every path that is not quiet, ordered by path."""
    local, remote = observation.local.files, observation.remote.files
    agreed = rows(observation)
    full = compare is Compare.FULL
    found = []
    for path in sorted(restless(observation, compare)):
        row, here, there = agreed.get(path), local.get(path), remote.get(path)
        diff = _diff(path, row, here, there, full=full)
        if row is None or not (_stands(row, here, there) and _quiet(diff)):
            found.append(diff)
    return found


def _stands(row: Agreed, here: File | None, there: File | None) -> bool:
    """Return whether both sides still show the stamps of the row."""
    return (
        here is not None
        and there is not None
        and here.stamp == row.local
        and there.stamp == row.remote
    )


def _quiet(diff: PathDiff) -> bool:
    """Return whether a path whose stamps stand has nothing to tell after all."""
    unchanged = diff.local_change is diff.remote_change is Change.UNCHANGED
    assert diff.row is not None  # noqa: S101 - only called for agreed paths
    return unchanged and diff.agreed_content == diff.row.content


def _diff(
    path: str, row: Agreed | None, here: File | None, there: File | None, *, full: bool
) -> PathDiff:
    content = row.content if row else None
    here_did = _change(here, row.local if row else None, content, full=full)
    there_did = _change(there, row.remote if row else None, content, full=full)
    # The row may not be able to tell, but the two versions themselves are: one of them rotted.
    apart = here and there and same(known(here), known(there)) is False
    if full and apart and here_did is there_did is Change.UNCHANGED:
        here_did = there_did = Change.MODIFIED
    return PathDiff(path, row, here, there, here_did, there_did)


def _change(file: File | None, stamp: Stamp | None, content: str | None, *, full: bool) -> Change:
    if stamp is None:
        return Change.ABSENT if file is None else Change.CREATED
    if file is None:
        return Change.DELETED
    alike = same(known(file), content)
    if same_version(file.stamp, stamp):
        return Change.MODIFIED if full and alike is False else Change.UNCHANGED
    return Change.UNCHANGED if file.size == stamp.size and alike else Change.MODIFIED
