"""Tells of every value of a resolved manifest which file and line said it (`show --origins`).

The values are those of `show`; the places are read from the nodes that they were built from. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from bm_sync.manifest import origins_parts, show
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.loader import Loaded
from bm_sync.manifest.nodes import Mapping, Node, Scalar, Sequence
from bm_sync.manifest.policies import Policies
from bm_sync.manifest.show import Json
from bm_sync.manifest.shown import escaped
from bm_sync.manifest.values import Surroundings, group
from bm_sync.masking import MASK, looks_secret, without_secrets
from bm_sync.model.origin import BUILT_IN
from bm_sync.structs import replace

_Path = tuple[str, ...]
_PROJECTS = ("projects", "elsewhere")
_OWN = frozenset({"declared", "file", "digest", "reason"})  # of values that nobody said


def data(loaded: Loaded) -> dict[str, Json]:
    """Return what `show` shows, the files, the variables, and `origins`: JSON pointer to place."""
    whole = _values(loaded)
    places = _places(loaded, whole)
    said: dict[str, Json] = {_pointer(path): _place(path, places) for path, _ in _leaves(whole, ())}
    return {**whole, "origins": said}


def text(loaded: Loaded) -> str:
    """Return the manifest as YAML, each value with its place in a comment."""
    whole = _values(loaded)
    rows = list(_rows(whole, (), _places(loaded, whole)))
    edge = min(max((len(left) for left, place in rows if place), default=0), 60)
    lines = (f"{left:{edge}}  # {place}" if place else left for left, place in rows)
    return "\n".join(lines) + "\n"


def _values(loaded: Loaded) -> dict[str, Json]:
    around = loaded.around
    files: list[Json] = [escaped(name or str(around.file)) for name in around.folders]
    variables = group(loaded.tree, "vars").entries
    return {
        **show.data(loaded.manifest),
        "files": files or [escaped(str(around.file))],
        "vars": {name: _variable(name, entry.value, around) for name, entry in variables.items()},
    }


def _variable(name: str, said: Node, around: Surroundings) -> Json:
    if not isinstance(said, Scalar) or looks_secret(name) or around.report.is_masked(said.spot):
        return MASK
    return escaped(without_secrets(around.report.masked(str(said.value))))


def _leaves(value: Json, path: _Path) -> Iterator[tuple[_Path, Json]]:
    """Yield every single value and every empty list or mapping with its path."""
    pairs: list[tuple[str, Json]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [(str(i), inside) for i, inside in enumerate(value)]
    if not pairs:
        if path[-1] not in _OWN and path[0] != "files":
            yield path, value
        return
    for key, inside in pairs:
        yield from _leaves(inside, (*path, key))


def _rows(value: Json, path: _Path, places: dict[_Path, str]) -> Iterator[tuple[str, str]]:
    """Yield lines of YAML, each with the place of its value, "" for what has none."""
    indent = "  " * len(path)
    pairs: list[tuple[str, str, Json]] = []
    if isinstance(value, dict):
        pairs = [(key, f"{show.word(key)}:", inside) for key, inside in value.items()]
    elif isinstance(value, list):
        pairs = [(str(i), "-", inside) for i, inside in enumerate(value)]
    for key, head, inside in pairs:
        below = (*path, key)
        if isinstance(inside, (dict, list)) and inside:
            rows = _rows(inside, below, places)
            if head == "-":
                left, place = next(rows)
                yield f"{indent}- {left[len(indent) + 2 :]}", place
            else:
                yield f"{indent}{head}", ""
            yield from rows
        else:
            silent = key in _OWN or below[0] == "files"
            yield f"{indent}{head} {show.flow(inside)}", "" if silent else _place(below, places)


def _place(path: _Path, places: dict[_Path, str]) -> str:
    """Return where a value was said, else what it lies in."""
    found = (places.get(path[:n]) for n in range(len(path), 1, -1))
    return next((place for place in found if place is not None), places.get(path[:1], _BUILT_IN))


_BUILT_IN = str(BUILT_IN)


def _pointer(path: _Path) -> str:
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in path)


def _places(loaded: Loaded, whole: dict[str, Json]) -> dict[_Path, str]:
    """Return the places of the values that were said, by their path in `show`."""
    around = replace(loaded.around, report=Report(loaded.around.file))
    tree = loaded.tree
    places = dict(_declared(whole, ()))
    for key in ("version", "vars", "remotes", "metrics", "keep_history", "fleet", "state"):
        places |= _below(tree.get(key), (key,), around)
    places |= origins_parts.places(whole, tree, around)
    policies = Policies(group(tree, "policies"), around)
    for part in _PROJECTS:
        for name, entry in group(tree, "projects").entries.items():
            if isinstance(entry.value, Mapping):
                at = (part, name)
                places[*at, "placement"] = _told(entry.key, around)
                places |= _project(entry.value, at, tree, policies, around)
    return places


def _declared(value: Json, path: _Path) -> Iterator[tuple[_Path, str]]:
    """Yield the places that `show` tells itself, but those of whole projects."""
    if isinstance(value, dict):
        said = value.get("declared")
        if isinstance(said, str) and (path[0] not in _PROJECTS or len(path) > len(_PROJECTS)):
            yield path, said
    pairs = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else ()
    for key, inside in (*pairs, *items):
        yield from _declared(inside, (*path, str(key)))


def _project(
    node: Mapping, at: _Path, tree: Mapping, policies: Policies, around: Surroundings
) -> dict[_Path, str]:
    defaults = group(tree, "defaults")
    places = _below(Mapping({k: e for k, e in node.entries.items() if k in _SIDES}), at, around)
    remote = node.get("remote") or defaults.get("remote")
    places |= _below(remote, (*at, "remote"), around)
    said = node.get("policy") or defaults.get("policy")
    keys = policies.keys(node.get("policy"), defaults.get("policy"))
    places |= _below(keys, (*at, "policy"), around)
    if said is not None:
        places[*at, "policy", "name"] = _told(said, around)
    names = node.get("filters") or defaults.get("filters")
    places |= _filters(names, group(tree, "filters"), (*at, "filters"), around)
    return places


_SIDES = frozenset({"local", "from", "path", "was", "tags"})


def _filters(
    names: Node | None, declared: Mapping, at: _Path, around: Surroundings
) -> dict[_Path, str]:
    places: dict[_Path, str] = {}
    for said in names.items if isinstance(names, Sequence) else ():
        if isinstance(said, Scalar):
            single = group(declared, str(said.value)).entries
            for key in ("gitignore", "git", "max_size", "links"):
                if key in single:
                    places[*at, key] = _told(single[key].value, around)
    return places


def _below(node: Node | None, at: _Path, around: Surroundings) -> dict[_Path, str]:
    """Return the places of everything in a node."""
    places: dict[_Path, str] = {}
    todo: list[tuple[Node, _Path]] = [] if node is None else [(node, at)]
    while todo:
        each, path = todo.pop()
        match each:
            case Mapping(entries=entries):
                todo += [(entry.value, (*path, key)) for key, entry in entries.items()]
            case Sequence(items=items):
                todo += [(item, (*path, str(i))) for i, item in enumerate(items)]
            case _:
                places[path] = _told(each, around)
    return places


def _told(node: Node, around: Surroundings) -> str:
    return escaped(str(around.origin(node.spot)))
