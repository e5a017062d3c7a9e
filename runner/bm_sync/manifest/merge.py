"""Puts the files of a manifest together: the weakest first, each later one over it. Pure.

Mappings are put together key by key at every depth, everything else is replaced. What is one choice
(a guard limit, a secret, a schedule, a remote of another kind) is replaced as a whole. A key with +
or - in front changes the list below (`marked`).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bm_sync.manifest import marked
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.marked import KeyPath
from bm_sync.manifest.nodes import Entry, Mapping, Node, Scalar, Sequence
from bm_sync.structs import replace

# Lists of the whole manifest to which every file adds; none takes from them.
_GROWING = frozenset({"include", "locked"})
_LIMITS = frozenset({"max_delete", "max_overwrite"})


def merged(trees: Iterable[Mapping], report: Report) -> Mapping:
    """Return one manifest of several; slips in marked lists go to `report`."""
    whole = Mapping()
    merger = _Merger(report)
    for tree in trees:
        whole = merger.over(tree, whole, ())
    return marked.settled(whole, report)


def is_one_choice(path: KeyPath, over: Node, below: Node) -> bool:
    """Whether a mapping replaces the one below it, instead of being put together with it."""
    match path:
        case ("remotes", _):
            kind = _kind_of_remote(over)
            return kind is not None and kind != _kind_of_remote(below)
        case ("remotes", _, "options", _) | ("schedules", _):
            return True
        case ("projects", _, "schedule" | "was") | ("defaults", "schedule"):
            return True
        case (*_, "guards", limit):
            return limit in _LIMITS
        case _:
            return False


def _kind_of_remote(node: Node) -> str | None:
    """Return what a remote says it is, None when it does not say."""
    if not isinstance(node, Mapping):
        return None
    if "rclone" in node.entries:
        return "rclone"
    said = node.get("type")
    return f"type {said.value}" if isinstance(said, Scalar) else None


class _Merger(Struct, frozen=True):
    report: Report

    def over(self, own: Mapping, below: Mapping, path: KeyPath) -> Mapping:
        """Return `own` over `below`."""
        entries = dict(below.entries)
        lists = marked.lists_in(path)
        for key, entry in own.entries.items():
            if key in lists:
                for waiting in marked.changing(key):
                    entries.pop(waiting, None)
            found = entries.get(key)
            if not marked.is_change(key, entry.value, lists):
                entries[key] = entry if found is None else self._entry(entry, found, (*path, key))
        for key, change in marked.changes(own, lists, self.report):
            marked.change(entries, key, change, self.report)
        return Mapping(entries, below.spot if below.entries else own.spot)

    def _entry(self, own: Entry, below: Entry, path: KeyPath) -> Entry:
        mine, theirs = own.value, below.value
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            if not is_one_choice(path, mine, theirs):
                return Entry(below.key, self.over(mine, theirs, path))
        elif len(path) == 1 and path[0] in _GROWING:
            return _grown(own, below)
        return own


def _grown(own: Entry, below: Entry) -> Entry:
    mine, theirs = own.value, below.value
    if not isinstance(mine, Sequence):
        return own
    if not isinstance(theirs, Sequence):
        return below
    return replace(below, value=Sequence((*theirs.items, *mine.items), theirs.spot))
