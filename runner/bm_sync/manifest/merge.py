"""Puts the files of a manifest together: the weakest first, each later one over it. Pure.

Mappings are put together key by key at every depth, everything else is replaced. What is one choice
(a guard limit, a secret, a schedule, a remote of another kind) is replaced as a whole. A key with +
or - in front adds to the list below, or takes from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, replace

from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import Entry, Mapping, Node, Scalar, Sequence
from bm_sync.manifest.shown import did_you_mean, quoted

# Lists of the whole manifest to which every file adds; none takes from them.
_GROWING = frozenset({"include", "locked"})
_LIMITS = frozenset({"max_delete", "max_overwrite"})

# The lists that take + and - in front of their key, in a filter, a project, the defaults.
_IN_FILTER = frozenset({"exclude", "ignore_files"})
_IN_PROJECT = frozenset({"filters", "tags", "hosts"})
_IN_DEFAULTS = frozenset({"filters"})
_MARKS = ("+", "-")

_Path = tuple[str, ...]
_NOTHING: AbstractMapping[str, Node | None] = {}


def merged(trees: Iterable[Mapping], report: Report) -> Mapping:
    """Return one manifest of several; slips in marked lists go to `report`."""
    whole = Mapping()
    merger = _Merger(report)
    for tree in trees:
        whole = merger.over(tree, whole, ())
    return merger.settled(whole)


def is_one_choice(path: _Path, over: Node, below: Node) -> bool:
    """Whether a mapping replaces the one below it, instead of being put together with it."""
    match path:
        case ("remotes", _):
            kind = _kind_of_remote(over)
            return kind is not None and kind != _kind_of_remote(below)
        case ("remotes", _, "options", _) | ("schedules", _):
            return True
        case ("projects", _, "schedule") | ("defaults", "schedule"):
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


def lists_in(path: tuple[str, ...]) -> frozenset[str]:
    """Return the keys of lists in the mapping at `path` that take a mark."""
    match path:
        case ("filters", _):
            return _IN_FILTER
        case ("projects", _):
            return _IN_PROJECT
        case ("defaults",):
            return _IN_DEFAULTS
        case _:
            return frozenset()


def _is_marked(key: str, lists: frozenset[str]) -> bool:
    return key[:1] in _MARKS and key[1:] in lists


@dataclass(frozen=True, slots=True)
class _Merger:
    report: Report

    def over(self, own: Mapping, below: Mapping, path: _Path) -> Mapping:
        """Return `own` over `below`."""
        entries = dict(below.entries)
        lists = lists_in(path)
        for key, entry in own.entries.items():
            if key in lists:
                for mark in _MARKS:
                    entries.pop(mark + key, None)
            found = entries.get(key)
            if not (_is_marked(key, lists) and isinstance(entry.value, Sequence)):
                entries[key] = entry if found is None else self._entry(entry, found, (*path, key))
        for key, items in self._changes(own, lists):
            _change(entries, key, items, self.report)
        return Mapping(entries, below.spot if below.entries else own.spot)

    def _entry(self, own: Entry, below: Entry, path: _Path) -> Entry:
        mine, theirs = own.value, below.value
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            if not is_one_choice(path, mine, theirs):
                return Entry(below.key, self.over(mine, theirs, path))
        elif len(path) == 1 and path[0] in _GROWING:
            return _grown(own, below)
        return own

    def _changes(self, own: Mapping, lists: frozenset[str]) -> Iterator[tuple[str, Entry]]:
        """Yield the marked keys of a mapping, those that take away first."""
        found = [
            (key, entry)
            for key, entry in own.entries.items()
            if _is_marked(key, lists) and isinstance(entry.value, Sequence)
        ]
        for key, entry in sorted(found, key=lambda pair: pair[0].startswith("+")):
            if key[1:] in own.entries:
                what = f"{quoted(key)} stands beside {quoted(key[1:])}, which replaces the list"
                hint = "write one of the two: the whole list, or what is added to it"
                self.report.error(Code.MARKED_LIST, entry.key.spot, what, hint)
                continue
            yield key, entry

    def settled(self, tree: Mapping) -> Mapping:
        """Return a manifest in which marked lists that found no list below are lists."""
        defaults, common = tree.get("defaults"), _NOTHING
        if isinstance(defaults, Mapping):
            settled = self._settled(defaults, ("defaults",), _NOTHING)
            tree = _with(tree, "defaults", settled)
            common = {"filters": settled.get("filters")}
        for name in ("filters", "projects"):
            declared = tree.get(name)
            if isinstance(declared, Mapping):
                below = common if name == "projects" else _NOTHING
                inside = {
                    each: replace(entry, value=self._settled(entry.value, (name, each), below))
                    if isinstance(entry.value, Mapping)
                    else entry
                    for each, entry in declared.entries.items()
                }
                tree = _with(tree, name, replace(declared, entries=inside))
        return tree

    def _settled(
        self, node: Mapping, path: _Path, below: AbstractMapping[str, Node | None]
    ) -> Mapping:
        lists = lists_in(path)
        changes = [*self._changes(node, lists)]
        if not changes:
            return node
        entries = dict(node.entries)
        for key, change in changes:
            del entries[key]
            if not _items(change):
                continue
            base = below.get(key[1:])
            items = base if isinstance(base, Sequence) else Sequence((), change.value.spot)
            entries.setdefault(key[1:], Entry(replace(change.key, value=key[1:]), items))
            _change(entries, key, change, self.report)
        return replace(node, entries=entries)


def _items(change: Entry) -> tuple[Node, ...]:
    return change.value.items if isinstance(change.value, Sequence) else ()


def _with(tree: Mapping, key: str, value: Node) -> Mapping:
    return replace(tree, entries={**tree.entries, key: replace(tree.entries[key], value=value)})


def _grown(own: Entry, below: Entry) -> Entry:
    mine, theirs = own.value, below.value
    if not isinstance(mine, Sequence):
        return own
    if not isinstance(theirs, Sequence):
        return below
    return replace(below, value=Sequence((*theirs.items, *mine.items), theirs.spot))


def _change(entries: dict[str, Entry], key: str, change: Entry, report: Report) -> None:
    """Add to a list, or take from it; what finds no list is kept for the end, under its mark."""
    mark, name = key[0], key[1:]
    items = _items(change)
    if name in entries and isinstance(entries[name].value, Sequence):
        if mark == "-":
            items = _taken(entries, name, items)
            _tell_missing(items, name, entries[name], report)
        else:
            _add(entries, name, change)
        return
    if mark == "-":
        items = _taken(entries, f"+{name}", items)
    if items:
        _add(entries, key, replace(change, value=Sequence(items, change.value.spot)))


def _add(entries: dict[str, Entry], key: str, change: Entry) -> None:
    found = entries.get(key)
    if found is None or not isinstance(found.value, Sequence):
        entries[key] = change
        return
    both = (*found.value.items, *_items(change))
    entries[key] = replace(found, value=Sequence(both, found.value.spot))


def _taken(entries: dict[str, Entry], key: str, items: tuple[Node, ...]) -> tuple[Node, ...]:
    """Take items from a list, wherever it has them; return those that it has not."""
    found = entries.get(key)
    if found is None or not isinstance(found.value, Sequence):
        return items
    gone = {_word(item) for item in items}
    kept = tuple(item for item in found.value.items if _word(item) not in gone)
    known = {_word(item) for item in found.value.items}
    entries[key] = replace(found, value=Sequence(kept, found.value.spot))
    return tuple(item for item in items if _word(item) not in known)


def _tell_missing(items: tuple[Node, ...], name: str, held: Entry, report: Report) -> None:
    words = [word for item in _items(held) if (word := _word(item)) is not None]
    for item in items:
        word = _word(item)
        if word is not None:
            what = f"{quoted(word)} is not in the list {name} below, so nothing is taken from it"
            hint = did_you_mean(word, words) or "remove it"
            report.warning(Code.NOT_IN_LIST, item.spot, what, hint)


def _word(item: Node) -> str | None:
    return str(item.value) if isinstance(item, Scalar) else None
