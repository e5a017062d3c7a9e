"""Plans to take back what a run did: every path goes back to the version the run replaced.

It does so on both sides of a two-way project, so that they stay equal and the next run has nothing
to do again; a one-way project is taken back at its destination only. A path that is no longer as
the run left it is left alone and named. What is replaced or removed goes to the trash as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from bm_sync import layout
from bm_sync.model.past import PRUNED, Effect, EffectKind
from bm_sync.model.plan import Action, Move, ProjectPlan, Reason, Restore, Trash
from bm_sync.model.tree import Observation, Problem, ProblemKind, Side, Stamp, same_version
from bm_sync.plan import barrier, guard, steps, undo_folders
from bm_sync.plan.content import known, same
from bm_sync.plan.intent import Intent, source_side
from bm_sync.plan.order import ordered

_FILES = (EffectKind.PUT, EffectKind.GONE)


class Past(Struct, frozen=True):
    """What a run did to a project, and what is left of it.

    `held` are the kept versions that still stand in the trash, by side and place. `hidden` are
    paths that the filters exclude now. `run` is how the run is named to a person.
    """

    run: str
    effects: tuple[Effect, ...]
    held: Mapping[tuple[Side, str], Stamp]
    hidden: frozenset[str] = frozenset()


@dataclass
class Work:
    """What was decided so far, on the sides that are taken back."""

    past: Past
    observation: Observation
    sides: tuple[Side, ...]
    actions: list[Action] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def leave(self, path: str, side: Side, what: str) -> None:
        """Leave a path alone and say why."""
        self.problems.append(Problem(path, side, ProblemKind.CHANGED, what))

    def stamp(self, path: str, side: Side) -> Stamp | None:
        """Return the stamp of what stands at a path now."""
        return steps.stamp(self.observation.tree(side).files.get(path))


def make(
    project: str, key: str, observation: Observation, intent: Intent, past: Past
) -> ProjectPlan:
    """Return the plan that takes back what a run did to one project."""
    source = source_side(intent.policy)
    sides = tuple(Side) if source is None else (source.other,)
    work = Work(past, observation, sides)
    blocked = barrier.of(observation)
    for path, done in _by_path(past.effects).items():
        if path in past.hidden:
            work.leave(path, done[0].side, "the filters exclude it now")
        elif blocked.file(path):
            work.leave(path, done[0].side, "it cannot be synced now")
        else:
            _take_back(path, done, work)
    renames = {e.path: e for e in past.effects if e.old_path is not None and e.side in sides}
    for effect in renames.values():
        _rename_back(effect, work, hidden=past.hidden)
    undo_folders.settle(work.actions, work.problems, observation, past.effects, sides)
    plan = ProjectPlan(
        project=project,
        key=key,
        mode=intent.policy.mode,
        direction=intent.policy.direction,
        local=intent.local_label,
        remote=intent.remote_label,
        actions=ordered(work.actions),
        problems=tuple(sorted(work.problems, key=lambda p: (p.path, p.side))),
        files_local=len(observation.local.files),
        files_remote=len(observation.remote.files),
        notes=_notes(past, source),
    )
    return guard.judged(plan, observation, intent)


def unsure(effects: Iterable[Effect], observation: Observation) -> dict[Side, frozenset[str]]:
    """Return the paths whose content must be read to tell whether they are as the run left them."""
    asked: dict[Side, set[str]] = {side: set() for side in Side}
    for effect in effects:
        if effect.kind not in (EffectKind.PUT, EffectKind.MOVED, EffectKind.GONE):
            continue
        for side in Side:
            for content in (effect.content, effect.kept_content):
                if content is not None and _stands(effect.path, content, side, observation) is None:
                    asked[side].add(effect.path)
    return {side: frozenset(paths) for side, paths in asked.items()}


def _notes(past: Past, source: Side | None) -> tuple[str, ...]:
    said = (f"takes back {past.run}",)
    if source is None:
        return said
    return (*said, f"the {source} side is never written: the next apply does it again")


def _by_path(effects: Iterable[Effect]) -> dict[str, list[Effect]]:
    found: dict[str, list[Effect]] = {}
    for effect in effects:
        if effect.kind in _FILES:
            found.setdefault(effect.path, []).append(effect)
    return found


def _stands(path: str, content: str, side: Side, observation: Observation) -> bool | None:
    """Return whether a version stands at a path; None when it cannot be told without reading."""
    file = observation.tree(side).files.get(path)
    if file is None:
        return False
    row = observation.baseline.files.get(path)
    if row is not None and same_version(
        file.stamp, row.local if side is Side.LOCAL else row.remote
    ):
        told = same(row.content, content)
        if told is not None:
            return told
    return same(known(file), content)


def _as_left(path: str, content: str | None, side: Side, observation: Observation) -> bool:
    """Return whether a path is as the run left it; a content of None: nothing stood there."""
    if content is None:
        return path not in observation.tree(side).files
    return _stands(path, content, side, observation) is True


def _take_back(path: str, done: list[Effect], work: Work) -> None:
    written = [effect for effect in done if effect.side in work.sides]
    if not written:
        return
    left = next((e.content for e in done if e.kind is EffectKind.PUT), None)
    before = next((e for e in written if e.kept is not None), written[0])
    if all(_is_back(path, before, side, work.observation) for side in work.sides):
        return
    changed = [s for s in work.sides if not _as_left(path, left, s, work.observation)]
    if changed:
        work.leave(path, changed[0], _how(path, left, changed[0], work.observation))
    elif before.kept is None:
        work.actions += [_trash(path, side, work) for side in work.sides]
    else:
        _bring_back(path, before, written, work)


def _is_back(path: str, before: Effect, side: Side, observation: Observation) -> bool:
    if before.kept is None:
        return path not in observation.tree(side).files
    content = before.kept_content
    return content is not None and _stands(path, content, side, observation) is True


def _how(path: str, left: str | None, side: Side, observation: Observation) -> str:
    if path not in observation.tree(side).files:
        return "it was deleted after the run"
    return "it came back after the run" if left is None else "it was changed after the run"


def _trash(path: str, side: Side, work: Work) -> Trash:
    stamp = work.stamp(path, side)
    assert stamp is not None  # noqa: S101 - it is as the run left it
    return Trash(
        path=path,
        side=side,
        size=stamp.size,
        reason=Reason.TAKEN_BACK,
        local=work.stamp(path, Side.LOCAL),
        remote=work.stamp(path, Side.REMOTE),
    )


def _bring_back(path: str, before: Effect, written: list[Effect], work: Work) -> None:
    spoilt = next((e for e in written if _spoilt(e, work)), None)
    if spoilt is not None:
        work.leave(path, spoilt.side, f"{spoilt.kept} was changed after it was kept")
        return
    places = {e.side: e.kept for e in written if e.kept and e.kept_content == before.kept_content}
    restores = [_restore(path, side, before, places, work) for side in work.sides]
    found = [restore for restore in restores if restore is not None]
    if len(found) == len(restores):
        work.actions += found
    else:
        gone = "is not kept any more" if before.kept != PRUNED else "was removed from the trash"
        work.leave(path, before.side, f"the version before {gone}")


def _spoilt(effect: Effect, work: Work) -> bool:
    """Return whether a kept version shows by its size that somebody wrote to it."""
    stamp = work.past.held.get((effect.side, effect.kept or ""))
    return stamp is not None and stamp.size != effect.kept_size


def _restore(
    path: str, side: Side, before: Effect, places: Mapping[Side, str], work: Work
) -> Restore | None:
    """Return what brings the version before to one side, from its own trash if it is there."""
    for keeper in (side, side.other):
        place = places.get(keeper)
        if place is None and before.kept and not layout.is_home(before.kept):
            place = before.kept  # a conflict copy stands on both sides
        stamp = None if place is None else _held(place, keeper, before, work)
        if place is not None and stamp is not None:
            return Restore(
                path=path,
                side=side,
                keeper=keeper,
                kept=place,
                size=stamp.size,
                reason=Reason.TAKEN_BACK,
                local=work.stamp(path, Side.LOCAL),
                remote=work.stamp(path, Side.REMOTE),
                content=before.kept_content,
            )
    return None


def _held(place: str, keeper: Side, before: Effect, work: Work) -> Stamp | None:
    """Return the stamp of a kept version, None when it is not there as it was kept."""
    if layout.is_home(place):
        return work.past.held.get((keeper, place))
    copied = [e.content for e in work.past.effects if e.path == place and e.content is not None]
    content = before.kept_content or next(iter(copied), None)
    if content is None or _stands(place, content, keeper, work.observation) is not True:
        return None
    return work.stamp(place, keeper)


def _rename_back(effect: Effect, work: Work, *, hidden: frozenset[str]) -> None:
    new, old, content = effect.path, effect.old_path or "", effect.content
    observation = work.observation
    if {new, old} & hidden:
        work.leave(new, effect.side, "the filters exclude it now")
        return
    if all(_renamed_back(new, old, content, side, observation) for side in work.sides):
        return
    for side in work.sides:
        if not _as_left(new, content, side, observation):
            work.leave(new, side, _how(new, content, side, observation))
            return
        if work.stamp(old, side) is not None:
            work.leave(new, side, "its old name has been taken after the run")
            return
    local, remote = work.stamp(new, Side.LOCAL), work.stamp(new, Side.REMOTE)
    for side in work.sides:
        mine = local if side is Side.LOCAL else remote
        assert mine is not None  # noqa: S101 - it is as the run left it
        work.actions.append(
            Move(old, new, side, mine.size, Reason.TAKEN_BACK, local, remote, content=content)
        )


def _renamed_back(
    new: str, old: str, content: str | None, side: Side, observation: Observation
) -> bool:
    gone = new not in observation.tree(side).files
    return gone and content is not None and _stands(old, content, side, observation) is True


def selected(effects: Iterable[Effect], wanted: Iterable[str]) -> tuple[Effect, ...]:
    """Return the effects on paths that a glob names, or that lie in a folder that it names.

    The folders that were made for these come along.
    """
    globs = [glob.rstrip("/") for glob in wanted]
    if not globs:
        return tuple(effects)
    done = list(effects)
    named = {e.path for e in done if any(_matches(e, glob) for glob in globs)}
    above = {up for path in named for up in barrier.ancestors(path)}
    made = {e.path for e in done if e.kind is EffectKind.MADE_DIR} & above
    return tuple(e for e in done if e.path in named or e.path in made)


def _matches(effect: Effect, glob: str) -> bool:
    paths = [path for path in (effect.path, effect.old_path) if path is not None]
    names = [name for path in paths for name in (path, *barrier.ancestors(path))]
    return any(undo_folders.fits(name, glob) for name in names)
