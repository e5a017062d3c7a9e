"""Rooms inside `engine` and `manifest` import one way, nothing is in a knot, names mean one thing.

The folders are still those of today; `ROOMS` says which room a module of `engine` or `manifest` is
part of. What does not hold yet is in the lists of exceptions. They only shrink: an exception that
is not needed any more fails. Imports under `TYPE_CHECKING` and inside functions count.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import pytest

import bm_sync

TOP = Path(bm_sync.__file__).parent
MODULES: Mapping[str, Path] = {
    ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(TOP.rglob("*.py"))
}
MOST_MODULES = 12

# Room by room: what is to stand together.
ROOMS: Mapping[str, str] = {
    "engine.files": (
        "jail primitives attributes contents disks links identity lending deadline retry"
    ),
    "engine.transports": (
        "dav dav_faults dav_opening dav_project dav_reading dav_upload dav_writing routed"
    ),
    "engine.workspaces": "cloud cloud_workspace",
    "engine.context": "site scope place ledger warm opening peeking selecting",
    "engine.local": "placing staging folder_hand arrivals bringing",
    "engine.remote": "distant distant_hand departures landing putting_back relay discard",
    "engine.looking": "walk near listed behind answer digests observe absence left_alone spellings",
    "engine.trash": "keepers retention retention_edge effects versions old_runs",
    "engine.sync": "execute record merge merge3 journal",
    "engine.bisync": (
        "bisync bisync_find bisync_fit bisync_ground bisync_learn bisync_settle bisync_work"
    ),
    "engine.history": "undo undo_act resolve prune saved inspect check",
    "engine.coordination": (
        "locks lease lease_claim lease_hand lease_note lease_place lease_told leases "
        "patience shared_place shared_state unlock"
    ),
    "engine.run": "prepare project_run reconcile team",
    "engine.reporting": "report",
    "engine.notify": "notices noticing hooks hooks_facts conditions around ended_early",
    "engine.monitoring": "health overview gone fleet fleet_note fleet_place doctor other_client",
    "engine.imports": "import_bisync adopt",
    "engine.watch": (
        "watch watch_alone watch_clock watch_local watch_manifest watch_memory watch_news "
        "watch_roster watch_told"
    ),
    "manifest.text": (
        "nodes source compose codes diagnostic formats shown secrets wording verbatim bmignore"
    ),
    "manifest.words": "values options places cron commands",
    "manifest.layers": (
        "including layers locks marked merge overrides expand remembered judge slips"
    ),
    "manifest.sections": (
        "cloud conditions filtersets fleet hooks notify policies projects remotes "
        "schedules state_home belonging"
    ),
    "manifest.whole": "build loader near_side orders overlap was",
    "manifest.show": "show shown_targets origins origins_parts starter",
}

# Lowest first. A room imports rooms that stand lower; those of one line not each other.
ORDER = (
    ("manifest.text",),
    ("manifest.words",),
    ("manifest.layers",),
    ("manifest.sections",),
    ("manifest.whole",),
    ("manifest.show",),
    ("engine.files",),
    ("engine.transports",),
    ("engine.context",),
    ("engine.workspaces",),
    ("engine.local",),
    ("engine.remote",),
    ("engine.looking",),
    ("engine.trash",),
    ("engine.sync",),
    ("engine.bisync", "engine.history", "engine.coordination"),
    ("engine.run",),
    ("engine.reporting", "engine.monitoring"),
    ("engine.notify", "engine.imports"),
    ("engine.watch",),
)
HEIGHT = {room: height for height, rooms in enumerate(ORDER) for room in rooms}

# A module, and the room that it must not import.
UPWARD = {
    ("engine.check", "engine.run"),
    ("engine.dav_opening", "engine.workspaces"),
    ("engine.execute", "engine.history"),
    ("engine.leases", "engine.run"),
    ("engine.peeking", "engine.coordination"),
    ("engine.prune", "engine.run"),
    ("engine.reconcile", "engine.monitoring"),
    ("engine.reconcile", "engine.notify"),
    ("engine.resolve", "engine.run"),
    ("engine.saved", "engine.run"),
    ("engine.shared_state", "engine.run"),
    ("engine.site", "engine.workspaces"),
    ("engine.undo", "engine.run"),
    ("engine.versions", "engine.run"),
    ("manifest.fleet", "manifest.whole"),
    ("manifest.locks", "manifest.sections"),
    ("manifest.projects", "manifest.whole"),
    ("manifest.state_home", "manifest.whole"),
}

# Modules that import each other, round about.
KNOTTED = {
    "engine.cloud",
    "engine.dav",
    "engine.dav_reading",
    "engine.routed",
    "engine.site",
    "manifest.overlap",
    "manifest.projects",
    "manifest.show",
    "manifest.shown_targets",
    "manifest.was",
    "model.config",
    "model.fleet",
    "model.notices",
    "model.state_home",
}

# Who still bounds what runs at once by a semaphore of its own; `parallel.at_once` is for that.
# `unix_http` is no map: it counts its connections.
GATED = {
    "engine.around",
    "engine.distant",
    "engine.reconcile",
    "engine.shared_state",
    "rclone.unix_http",
}

# Rooms with more modules than a person keeps in mind, and how many they have at most.
CROWDED = {
    "cli": 33,
    "cli.render": 23,
    "cloud": 21,
    "model": 27,
    "plan": 29,
    "rclone": 26,
    "schedule": 15,
    "state": 27,
}

# Public classes that share their name, and how many there are of it.
DOUBLED = {
    "Change": 2,
    "DistantPlace": 2,
    "Ended": 2,
    "Folder": 2,
    "FolderPlace": 2,
    "Kind": 2,
    "Lease": 2,
    "Listed": 3,
    "Listing": 2,
    "Listings": 2,
    "Machine": 2,
    "Names": 2,
    "Near": 2,
    "Order": 2,
    "Pace": 2,
    "Pair": 2,
    "Past": 2,
    "Place": 2,
    "Reader": 2,
    "Reason": 2,
    "Removal": 2,
    "Seen": 2,
    "Session": 2,
    "Spot": 2,
    "Standing": 3,
    "Surroundings": 2,
    "Wanted": 3,
    "Wants": 2,
    "Watch": 2,
    "Work": 2,
    "Workspace": 2,
}


@cache
def parsed(module: str) -> tuple[ast.stmt, ...]:
    return tuple(ast.parse(MODULES[module].read_text("utf-8")).body)


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules of the package that a module imports, wherever in it."""
    found = set()
    for node in (inner for outer in parsed(module) for inner in ast.walk(outer)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inside if name.removeprefix("bm_sync.") in MODULES}
            found |= modules or {node.module}
    ours = {name.removeprefix("bm_sync.") for name in found if name.startswith("bm_sync.")}
    return frozenset(ours & set(MODULES) - {module})


@cache
def placed() -> Mapping[str, str]:
    """Return the room of every module: that of the table, else its folder."""
    rooms = {module: module.rpartition(".")[0] or module for module in MODULES}
    for room, names in ROOMS.items():
        rooms |= {f"{room.partition('.')[0]}.{name}": room for name in names.split()}
    return rooms


def knots(edges: Mapping[str, Iterable[str]]) -> set[str]:
    """Return what reaches itself, by Tarjan's strongly connected components."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: set[str] = set()

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in edges[module]:
            if other not in number:
                visit(other)
            if other in stack:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == number[module]:
            start = stack.index(module)
            found.update(stack[start:] if len(stack) - start > 1 else ())
            del stack[start:]

    for module in edges:
        if module not in number:
            visit(module)
    return found


def test_every_module_of_engine_and_manifest_has_its_room() -> None:
    """A new module goes into a room of `ROOMS`; better yet, into a module that is there."""
    rooms = placed()
    assert set(rooms) == set(MODULES), "the table names modules that are not there"
    without = {m for m, room in rooms.items() if room in {"engine", "manifest"} and "." in m}
    assert without - {"manifest.adopt"} == set()
    named = Counter(
        f"{room.partition('.')[0]}.{name}"
        for room, names in ROOMS.items()
        for name in names.split()
    )
    assert {name for name, times in named.items() if times > 1} == set()


def test_rooms_import_one_way() -> None:
    rooms = placed()
    upward = {
        (module, rooms[other])
        for module in MODULES
        for other in imports(module)
        if rooms[module] in HEIGHT and rooms[other] in HEIGHT
        if rooms[module].partition(".")[0] == rooms[other].partition(".")[0]
        if rooms[module] != rooms[other] and HEIGHT[rooms[other]] >= HEIGHT[rooms[module]]
    }
    assert upward - UPWARD == set(), "these import a room that stands higher"
    assert UPWARD - upward == set(), "these exceptions are not needed any more: take them out"


def test_no_new_module_is_in_a_knot() -> None:
    found = knots({module: imports(module) for module in MODULES})
    assert found - KNOTTED == set(), "these import each other, round about"
    assert KNOTTED - found == set(), "these are free: take them out of the list"


def test_a_room_has_at_most_twelve_modules() -> None:
    counted = Counter(room for module, room in placed().items() if room != "cli.commands")
    crowded = {room: number for room, number in counted.items() if number > MOST_MODULES}
    assert {room for room, n in crowded.items() if n > CROWDED.get(room, 0)} == set()
    slack = {room: n for room, n in CROWDED.items() if crowded.get(room, 0) < n}
    assert slack == {}, "these have fewer modules now: lower their number"


def test_the_name_of_a_public_class_means_one_thing() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module in MODULES:
        for node in parsed(module):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    doubled = {name: len(those) for name, those in homes.items() if len(those) > 1}
    new = {name: homes[name] for name, n in doubled.items() if n > DOUBLED.get(name, 1)}
    assert new == {}, "these names mean something else already"
    slack = {name for name, n in DOUBLED.items() if doubled.get(name, 1) < n}
    assert slack == set(), "these are used less often now: take them out or lower their number"


def test_one_function_bounds_what_runs_at_once() -> None:
    gated = {m for m, path in MODULES.items() if "asyncio.Semaphore(" in path.read_text("utf-8")}
    assert gated - {"parallel"} == GATED


@pytest.mark.parametrize(
    ("edges", "knotted"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, set()),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, {"b", "c"}),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["a"]}, {"a", "b", "c", "d"}),
    ],
)
def test_the_finder_of_knots_finds_them(edges: Mapping[str, list[str]], knotted: set[str]) -> None:
    assert knots(edges) == knotted
