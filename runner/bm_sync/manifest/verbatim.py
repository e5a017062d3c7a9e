"""Tells in which texts of a manifest no variables are put in when it is read. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bm_sync.manifest.nodes import Mapping, Node, Scalar, Sequence


def verbatim(root: Node) -> frozenset[int]:
    """Return the ids of the texts in which variables are not put in when the manifest is read.

    Hooks, in which the dollar belongs to the shell, and the bodies of notices, whose facts are
    known at the end of a run.
    """
    if not isinstance(root, Mapping):
        return frozenset()
    projects = root.get("projects")
    inside = projects.entries.values() if isinstance(projects, Mapping) else ()
    owners = [root, root.get("defaults"), *(entry.value for entry in inside)]
    nodes = [owner.get("hooks") for owner in owners if isinstance(owner, Mapping)]
    targets = root.get("notify")
    items = targets.items if isinstance(targets, Sequence) else ()
    nodes += [item.get("body") for item in items if isinstance(item, Mapping)]
    return frozenset(id(scalar) for node in nodes if node is not None for scalar in _scalars(node))


def _scalars(node: Node) -> Iterator[Scalar]:
    todo = [node]
    while todo:
        match todo.pop():
            case Scalar() as scalar:
                yield scalar
            case Sequence(items=items):
                todo.extend(items)
            case Mapping(entries=entries):
                todo.extend(entry.value for entry in entries.values())
            case _:
                pass
