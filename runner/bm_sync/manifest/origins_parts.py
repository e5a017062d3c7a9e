"""Tells where each key of a schedule, a hook, a target or a condition was said. Pure.

`show` tells of each of them where it begins; a key that is not written there is built in.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from bm_sync.manifest.nodes import Mapping, Node, Sequence
from bm_sync.manifest.show import Json
from bm_sync.manifest.shown import escaped
from bm_sync.manifest.values import Surroundings
from bm_sync.model.origin import BUILT_IN

_Path = tuple[str, ...]

_WAYS = ("every", "at", "cron")
_SCHEDULE = frozenset((*_WAYS, "jitter", "catch_up"))
_CONDITIONS = frozenset({"power", "network", "hours", "days", "disk_free"})
_BY_ITSELF = frozenset({"declared", "folder"})  # where the whole stands is where these were said
_NEEDED = frozenset({"run", "type", "when"})


class _Kind(StrEnum):
    SCHEDULE = "schedule"
    CONDITIONS = "conditions"
    HOOK = "hooks"
    TARGET = "notify"


def places(whole: Json, tree: Mapping, around: Surroundings) -> dict[_Path, str]:
    """Return the places of all that `whole`, the manifest as it is shown, has of them."""
    written = dict(_written(tree, around))
    found: dict[_Path, str] = {}
    for path, kind, shown in _parts(whole, ()):
        node = written.get((kind, str(shown["declared"])))
        for key in shown:
            place = _place(key, node, around)
            if place is not None:
                found[*path, key] = place
    return found


def _place(key: str, node: Mapping | None, around: Surroundings) -> str | None:
    """Return where a key was said, None for where the whole stands."""
    if key in _BY_ITSELF:
        return None
    names = _WAYS if key == "when" else (key,)
    entries = () if node is None else (node.entries.get(name) for name in names)
    said = next((entry for entry in entries if entry is not None), None)
    if said is not None:
        return escaped(str(around.origin(said.value.spot)))
    return None if key in _NEEDED else str(BUILT_IN)


def _parts(value: Json, path: _Path) -> Iterator[tuple[_Path, _Kind, dict[str, Json]]]:
    """Yield everything of these kinds with its path."""
    kind = _kind(path)
    if kind is not None and isinstance(value, dict) and "declared" in value:
        yield path, kind, value
        return
    pairs: list[tuple[str, Json]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [(str(i), inside) for i, inside in enumerate(value)]
    for key, inside in pairs:
        yield from _parts(inside, (*path, key))


def _kind(path: _Path) -> _Kind | None:
    match path:
        case (*_, "schedule" | "conditions" as name) | (*_, "hooks" | "notify" as name, _):
            return _Kind(name)
        case _:
            return None


def _written(tree: Mapping, around: Surroundings) -> Iterator[tuple[tuple[_Kind, str], Mapping]]:
    """Yield the mappings that may be one of them, by their kind and where they stand."""
    todo: list[Node] = [tree]
    while todo:
        match todo.pop():
            case Mapping(entries=entries) as node:
                todo += [entry.value for entry in entries.values()]
                for kind, at in _looks_like(node):
                    yield (kind, escaped(str(around.origin(at.spot)))), node
            case Sequence(items=items):
                todo += items
            case _:
                pass


def _looks_like(node: Mapping) -> Iterator[tuple[_Kind, Node]]:
    """Yield what a mapping may be, with the node whose place `show` tells of it."""
    entries = node.entries
    if "type" in entries:
        yield _Kind.TARGET, node
    if "run" in entries:
        yield _Kind.HOOK, entries["run"].value
    way = next((name for name in _WAYS if name in entries), None)
    if way is not None and entries.keys() <= _SCHEDULE:
        yield _Kind.SCHEDULE, entries[way].key
    if entries and entries.keys() <= _CONDITIONS:
        yield _Kind.CONDITIONS, next(iter(entries.values())).key
