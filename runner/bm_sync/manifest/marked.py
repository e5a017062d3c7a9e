"""Lists that a file changes instead of replacing them: `+tags` adds, `-tags` takes away. Pure.

A change is made to the list of the files below. Where none of them has it, it waits under its mark
until all files are put together, and then changes what holds in general, or a list of nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from collections.abc import Mapping as AbstractMapping

from msgspec import Struct

from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence, plain
from bm_sync.manifest.shown import did_you_mean, quoted
from bm_sync.structs import replace

KeyPath = tuple[str, ...]

# The lists that take + and - in front of their key, by what they stand in.
_IN_MANIFEST = frozenset({"notify"})
_IN_FILTER = frozenset({"exclude", "ignore_files"})
_IN_PROJECT = frozenset({"filters", "tags", "hosts"})
_IN_DEFAULTS = frozenset({"filters"})
_IN_HOOKS = frozenset({"before", "after", "on_change", "on_error", "on_stop"})
_MARKS = ("+", "-")

_Entries = AbstractMapping[str, Entry]
_NOTHING: _Entries = {}


def lists_in(path: KeyPath) -> frozenset[str]:
    """Return the keys of lists in the mapping at `path` that take a mark."""
    match path:
        case ():
            return _IN_MANIFEST
        case ("filters", _):
            return _IN_FILTER
        case ("projects", _):
            return _IN_PROJECT
        case ("defaults",):
            return _IN_DEFAULTS
        case ("hooks",) | ("defaults", "hooks") | ("projects", _, "hooks"):
            return _IN_HOOKS
        case _:
            return frozenset()


def changing(name: str) -> tuple[str, ...]:
    """Return the keys that change the list `name`."""
    return tuple(mark + name for mark in _MARKS)


def is_change(key: str, value: Node, lists: frozenset[str]) -> bool:
    """Whether a key changes one of these lists."""
    return key[:1] in _MARKS and key[1:] in lists and isinstance(value, Sequence)


def changes(own: Mapping, lists: frozenset[str], report: Report) -> Iterator[tuple[str, Entry]]:
    """Yield the marked keys of a mapping, those that take away first; reports slips."""
    found = [(key, e) for key, e in own.entries.items() if is_change(key, e.value, lists)]
    for key, entry in sorted(found, key=lambda pair: pair[0].startswith("+")):
        if key[1:] in own.entries:
            what = f"{quoted(key)} stands beside {quoted(key[1:])}, which replaces the list"
            hint = "write one of the two: the whole list, or what is added to it"
            report.error(Code.MARKED_LIST, entry.key.spot, what, hint)
            continue
        yield key, entry


def change(entries: dict[str, Entry], key: str, said: Entry, report: Report) -> None:
    """Add to a list, or take from it; what finds no list is kept for the end, under its mark."""
    mark, name = key[0], key[1:]
    items = _items(said)
    if name in entries and isinstance(entries[name].value, Sequence):
        if mark == "-":
            items = _taken(entries, name, items)
            _tell_missing(items, name, entries[name], report)
        else:
            _add(entries, name, said)
        return
    if mark == "-":
        items = _taken(entries, f"+{name}", items)
    if items:
        _add(entries, key, replace(said, value=Sequence(items, said.value.spot)))


def settled(tree: Mapping, report: Report) -> Mapping:
    """Return a manifest in which changes that found no list below are lists."""
    settler = _Settler(report)
    tree = settler.lists(tree, ())
    tree = _with(tree, "hooks", lambda node: settler.lists(node, ("hooks",)))
    tree = _with(tree, "defaults", settler.defaults)
    tree = _with_each(tree, "filters", lambda name, node: settler.lists(node, ("filters", name)))
    defaults = tree.get("defaults")
    common = defaults if isinstance(defaults, Mapping) else Mapping()
    return _with_each(
        tree, "projects", lambda name, node: settler.project(node, ("projects", name), common)
    )


class _Settler(Struct, frozen=True):
    report: Report

    def lists(self, node: Mapping, path: KeyPath, below: _Entries = _NOTHING) -> Mapping:
        """Return a mapping whose changes are made to the lists of `below`, or to nothing."""
        waiting = [*changes(node, lists_in(path), self.report)]
        entries = dict(node.entries)
        for key, said in waiting:
            del entries[key]
            if not _items(said):
                continue
            found = below.get(key[1:])
            base = found.value if found is not None else None
            items = base if isinstance(base, Sequence) else Sequence((), said.value.spot)
            entries.setdefault(key[1:], Entry(replace(said.key, value=key[1:]), items))
            change(entries, key, said, self.report)
        return replace(node, entries=entries) if waiting else node

    def defaults(self, node: Mapping) -> Mapping:
        inner = self.lists(node, ("defaults",))
        return _with(inner, "hooks", lambda hooks: self.lists(hooks, ("defaults", "hooks")))

    def project(self, node: Mapping, path: KeyPath, common: Mapping) -> Mapping:
        """Return a project; hooks that change lists are put over those of the defaults."""
        filters = {key: e for key, e in common.entries.items() if key == "filters"}
        inner = self.lists(node, path, filters)
        theirs = common.get("hooks")
        below = theirs.entries if isinstance(theirs, Mapping) else _NOTHING

        def put_over(hooks: Mapping) -> Mapping:
            lists = lists_in((*path, "hooks"))
            if not any(is_change(key, e.value, lists) for key, e in hooks.entries.items()):
                return hooks
            own = self.lists(hooks, (*path, "hooks"), below)
            return replace(own, entries={**below, **own.entries})

        return _with(inner, "hooks", put_over)


def _with(tree: Mapping, key: str, made: Callable[[Mapping], Mapping]) -> Mapping:
    """Return a mapping with what a function makes of the mapping at `key`, if there is one."""
    entry = tree.entries.get(key)
    if entry is None or not isinstance(entry.value, Mapping):
        return tree
    return replace(tree, entries={**tree.entries, key: replace(entry, value=made(entry.value))})


def _with_each(tree: Mapping, key: str, made: Callable[[str, Mapping], Mapping]) -> Mapping:
    """Do the same to every mapping in the mapping at `key`."""

    def inside(group: Mapping) -> Mapping:
        entries = {
            name: replace(entry, value=made(name, entry.value))
            if isinstance(entry.value, Mapping)
            else entry
            for name, entry in group.entries.items()
        }
        return replace(group, entries=entries)

    return _with(tree, key, inside)


def _items(said: Entry) -> tuple[Node, ...]:
    return said.value.items if isinstance(said.value, Sequence) else ()


def _add(entries: dict[str, Entry], key: str, said: Entry) -> None:
    found = entries.get(key)
    if found is None or not isinstance(found.value, Sequence):
        entries[key] = said
        return
    both = (*found.value.items, *_items(said))
    entries[key] = replace(found, value=Sequence(both, found.value.spot))


def _taken(entries: dict[str, Entry], key: str, items: tuple[Node, ...]) -> tuple[Node, ...]:
    """Take items from a list, wherever it has them; return those that it has not."""
    found = entries.get(key)
    if found is None or not isinstance(found.value, Sequence):
        return items
    gone = {_said(item) for item in items}
    kept = tuple(item for item in found.value.items if _said(item) not in gone)
    known = {_said(item) for item in found.value.items}
    entries[key] = replace(found, value=Sequence(kept, found.value.spot))
    return tuple(item for item in items if _said(item) not in known)


def _tell_missing(items: tuple[Node, ...], name: str, held: Entry, report: Report) -> None:
    words = [str(item.value) for item in _items(held) if isinstance(item, Scalar)]
    for item in items:
        if isinstance(item, Broken):
            continue
        named, hint = "this", "write it as it stands there, or remove it"
        if isinstance(item, Scalar):
            word = str(item.value)
            named, hint = quoted(word), did_you_mean(word, words) or "remove it"
        what = f"{named} is not in the list {name} below, so nothing is taken from it"
        report.warning(Code.NOT_IN_LIST, item.spot, what, hint)


def _said(item: Node) -> str | None:
    """Return what an item says, however it is written; None when it is broken."""
    if isinstance(item, Scalar):
        return str(item.value)
    try:
        return json.dumps(plain(item), sort_keys=True)
    except ValueError:
        return None
