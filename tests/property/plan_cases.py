"""Hypothesis strategies for worlds, and policies to plan them by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st
from property.plan_world import Place, World
from property.strategies import intent

from bm_sync.model.config import (
    Compare,
    Conflict,
    Direction,
    Guards,
    Limit,
    Loser,
    Mode,
    Policy,
    Winner,
)
from bm_sync.model.tree import Side
from bm_sync.plan.intent import Intent

PATHS = ("a", "b", "d/a", "d/b", "d/e/a", "x", "x/y", "x/y/z", "x/w")
FOLDERS = ("d", "d/e", "x", "x/y", "m", "m/n")
TWINS = ("a", "A", "d/x", "D/x", "D/y", "e/F/g", "e/f/g", "e/f")
CONTENTS = ("", "1", "2", "3", "11", "22", "333")
NO_GUARDS = Guards(max_delete=Limit(), max_overwrite=Limit(), empty_side="allow")


@dataclass
class Case:
    """A world and how it is to be planned."""

    world: World
    intent: Intent

    def __repr__(self) -> str:
        world, policy = self.world, self.intent.policy
        return "\n".join(
            [
                f"{policy.mode} {policy.direction} {policy.compare} {policy.conflict}",
                f"keep_deleted={self.intent.keep_deleted} known={world.known}",
                *(f"{side}: {world.place(side)}" for side in Side),
                f"agreed: {world.agreed} {world.dirs}",
            ]
        )


Edits = st.SearchStrategy[list[tuple[object, ...]]]


def edits_of(paths: tuple[str, ...], folders: tuple[str, ...]) -> Edits:
    """Return what people do to one side."""
    path = st.sampled_from(paths)
    kinds: list[st.SearchStrategy[tuple[object, ...]]] = [
        st.tuples(st.just("write"), path, st.sampled_from(CONTENTS), st.integers(0, 3)),
        st.tuples(st.just("remove"), st.sampled_from((*paths, *folders))),
        st.tuples(st.just("touch"), path),
        st.tuples(st.just("rename"), path, path),
        st.tuples(st.just("mkdir"), st.sampled_from(folders)),
    ]
    return st.lists(st.one_of(kinds), max_size=5)


edits = edits_of(PATHS, FOLDERS)


def edit(world: World, side: Side, done: Sequence[tuple[object, ...]]) -> None:
    for what, path, *rest in done:
        assert isinstance(path, str)
        version = world.place(side).files.get(path)
        match what, rest:
            case "write", [str(content), int(minute)]:
                world.write(side, path, content, minute)
            case "remove", []:
                world.remove(side, path)
            case "mkdir", []:
                world.mkdir(side, path)
            case "touch", [] if version is not None:
                world.write(side, path, version.content, version.minute + 1)
            case "rename", [str(new)] if version is not None and path != new:
                world.remove(side, path)
                world.write(side, new, version.content, version.minute)
            case _:
                pass


modes = st.sampled_from(
    [
        (Mode.TWO_WAY, Direction.UP),
        (Mode.TWO_WAY, Direction.UP),
        (Mode.TWO_WAY, Direction.UP),
        (Mode.MIRROR, Direction.UP),
        (Mode.MIRROR, Direction.DOWN),
        (Mode.PUSH, Direction.UP),
        (Mode.PULL, Direction.UP),
    ]
)


@st.composite
def policies(draw: st.DrawFn, mode: Mode | None = None) -> Policy:
    drawn, direction = draw(modes)
    return Policy(
        "p",
        mode=mode or drawn,
        direction=direction,
        conflict=Conflict(draw(st.sampled_from(Winner)), draw(st.sampled_from(Loser))),
        compare=draw(st.sampled_from(Compare)),
        guards=NO_GUARDS,
    )


@st.composite
def worlds(draw: st.DrawFn, stores: tuple[str, ...] = ("folder", "bucket", "plain")) -> World:
    world = World(Place("folder"), Place(draw(st.sampled_from(stores))))
    start = draw(st.dictionaries(st.sampled_from(PATHS), st.sampled_from(CONTENTS), max_size=6))
    for path, content in start.items():
        world.write(Side.LOCAL, path, content, 0)
    for path, version in world.local.files.items():
        world.write(Side.REMOTE, path, version.content, 0)
    world.agree()
    edit(world, Side.LOCAL, draw(edits))
    edit(world, Side.REMOTE, draw(edits))
    if draw(st.integers(0, 4)) == 0:
        world.known, world.rows, world.agreed, world.dirs = False, {}, {}, set()
    return world


@st.composite
def cases(draw: st.DrawFn, mode: Mode | None = None, *, spoilt: bool = True) -> Case:
    world = draw(worlds())
    for side in Side if spoilt else ():
        kind = draw(st.sampled_from(("clean", "clean", "hidden", "blocked")))
        folders = sorted(world.place(side).dirs)
        if kind == "hidden" and folders:
            world.place(side).hidden.add(draw(st.sampled_from(folders)) + "/.hidden")
        if kind == "blocked":
            world.place(side).blocked.add(draw(st.sampled_from((*FOLDERS, *PATHS))))
    keep = draw(st.integers(0, 5)) == 0
    return Case(world, intent(draw(policies(mode)), keep_deleted=keep))


@st.composite
def twin_cases(draw: st.DrawFn) -> Case:
    """Return a case whose remote ignores case, with names that differ only by it."""
    world = World(Place("folder"), Place(draw(st.sampled_from(("folder", "bucket", "plain")))))
    world.remote.case_insensitive = True
    start = draw(st.lists(st.sampled_from(TWINS), max_size=4))
    for path in start:
        world.write(Side.REMOTE, path, path, 0)
    for path, version in world.remote.files.items():
        world.write(Side.LOCAL, path, version.content, 0)
    world.remote.dirs = set(world.local.dirs)
    world.agree()
    changes = edits_of(TWINS, ("d", "D", "e/F", "e/f"))
    edit(world, Side.LOCAL, draw(changes))
    edit(world, Side.REMOTE, draw(changes))
    return Case(world, intent(draw(policies())))
