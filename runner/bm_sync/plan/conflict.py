"""What happens to two versions of which neither side knows the other's.

Chooses the winner, the place of the loser and the name of the copy. Never decides whether a path is
in conflict.
"""

from __future__ import annotations

from bm_sync.model.config import Loser, Mode, Winner
from bm_sync.model.plan import Clash, KeepBoth, Reason
from bm_sync.model.tree import Side
from bm_sync.plan import steps
from bm_sync.plan.case import sees
from bm_sync.plan.change import Change, PathDiff
from bm_sync.plan.content import known, mtime_ns, same
from bm_sync.plan.names import conflict_name, moment
from bm_sync.plan.policy import Agree, Take, named_side, verdict, winning_side
from bm_sync.plan.scene import Draft, Scene
from bm_sync.plan.spellings import fold


class Names:
    """The names of conflict copies that one plan gives out."""

    def __init__(self, scene: Scene, draft: Draft) -> None:
        self._scene = scene
        self._draft = draft
        self._claimed: set[str] = set()
        self._folded = _folded_paths(scene)

    def choose(self, diff: PathDiff, loser: Side) -> tuple[str, bool]:
        """Return the name for the loser's version, and whether it already stands there."""
        intent = self._scene.intent
        when = moment(mtime_ns(steps.present(diff, loser)), intent.now)
        who = intent.host if loser is Side.LOCAL else intent.remote_name
        turn = 1
        while True:
            name = conflict_name(diff.path, when=when, who=who, turn=turn)
            if name not in self._claimed and self._holds(name, diff, loser):
                return name, True
            if self._free(name):
                self._claimed.add(name)
                if self._folded is not None:
                    self._folded.add(fold(name))
                return name, False
            turn += 1

    def _free(self, name: str) -> bool:
        scene, observation = self._scene, self._scene.observation
        if name in self._claimed or name in observation.baseline.files:
            return False
        if any(name in observation.tree(s).files or name in scene.folders(s) for s in Side):
            return False
        if self._folded is not None and fold(name) in self._folded:
            return False
        return not self._draft.barrier.file(name)

    def _holds(self, name: str, diff: PathDiff, loser: Side) -> bool:
        """Return whether a copy of this very version has this name, and this plan leaves it."""
        files = [self._scene.observation.tree(side).files.get(name) for side in Side]
        there = [file for file in files if file is not None]
        if not there or self._draft.barrier.file(name):
            return False
        version = steps.present(diff, loser)
        other = self._scene.diffs.get(name)
        if other is None:
            contents = [self._scene.observation.baseline.files[name].content]
        elif isinstance(verdict(other, self._scene.intent), Agree) or _comes(other, self._scene):
            contents = [known(file) for file in there]
        else:
            return False
        sized = all(file.size == version.size for file in there)
        return sized and all(same(c, diff.content(loser)) is True for c in contents)


def _comes(diff: PathDiff, scene: Scene) -> bool:
    decision = verdict(diff, scene.intent)
    return isinstance(decision, Take) and decision.reason is Reason.NEW


def _folded_paths(scene: Scene) -> set[str] | None:
    """Return every name as a side that ignores case sees it; None when both sides heed case."""
    observation = scene.observation
    if not any(sees(observation.tree(side)) for side in Side):
        return None
    return {fold(path) for s in Side for path in (*observation.tree(s).files, *scene.folders(s))}


def contest(scene: Scene, draft: Draft, diff: PathDiff, names: Names) -> None:
    """Add what happens to two versions that differ."""
    conflict = scene.intent.policy.conflict
    if scene.mode is not Mode.TWO_WAY:
        _contest_one_way(scene, draft, diff)
        return
    if conflict.winner is Winner.STOP:
        draft.clashes.append(_clash(diff, None, None, None, f"{_cause(diff)}; waits for a person"))
        return
    if conflict.winner is Winner.MERGE and diff.path in scene.observation.merges:
        draft.actions += steps.merge(diff, scene.observation.merges[diff.path])
        return
    here, there = steps.present(diff, Side.LOCAL), steps.present(diff, Side.REMOTE)
    winner = winning_side(here, there, conflict.winner)
    if winner is not None and conflict.loser is Loser.TRASH:
        draft.actions.append(steps.copy(diff, winner.other, Reason.CONFLICT))
        what = f"{_cause(diff)}; {_told(conflict.winner, winner)}, the other is in the trash"
        draft.clashes.append(_clash(diff, winner, Loser.TRASH, None, what))
        return
    what = f"{_cause(diff)}; {_told(conflict.winner, winner)}, the other is kept beside it"
    kept = keep_both(draft, diff, (winner or Side.REMOTE).other, names)
    draft.clashes.append(_clash(diff, winner or Side.REMOTE, Loser.COPY, kept, what))


def keep_both(draft: Draft, diff: PathDiff, loser: Side, names: Names) -> str:
    """Add the conflict copy and the copy of the winner; return the name of the former.

    Where a copy of that version already stands, the trash keeps the replaced one as well: only a
    copy that this run makes can stand for it.
    """
    name, stands = names.choose(diff, loser)
    if not stands:
        draft.actions.append(_keep(diff, name, loser, Reason.CONFLICT, gives_way=False))
    kept_as = None if stands else name
    draft.actions.append(steps.copy(diff, loser, Reason.CONFLICT, kept_as=kept_as))
    return name


def give_way(draft: Draft, diff: PathDiff, side: Side, names: Names) -> None:
    """Add that the file of `side` leaves its name to a folder of the other side."""
    name, stands = names.choose(diff, side)
    if stands:
        draft.actions.append(steps.trash(diff, side, Reason.CLASH, early=True))
    else:
        draft.actions.append(_keep(diff, name, side, Reason.CLASH, gives_way=True))
    what = "a file on one side, a folder on the other; the folder keeps the name"
    draft.clashes.append(_clash(diff, side.other, Loser.COPY, name, what))


def wait(draft: Draft, diff: PathDiff, what: str) -> None:
    """Add that a path waits for a person."""
    draft.clashes.append(_clash(diff, None, None, None, what))


def _contest_one_way(scene: Scene, draft: Draft, diff: PathDiff) -> None:
    source = scene.source
    if source is not None and named_side(scene.intent.policy.conflict.winner) is source:
        draft.actions.append(steps.copy(diff, source.other, Reason.CONFLICT))
        what = f"{_cause(diff)}; {_told(Winner(source.value), source)}, the other is in the trash"
        draft.clashes.append(_clash(diff, source, Loser.TRASH, None, what))
        return
    wait(draft, diff, f"{_cause(diff)}; a {scene.mode} never replaces what it does not know")


def _keep(diff: PathDiff, name: str, loser: Side, reason: Reason, *, gives_way: bool) -> KeepBoth:
    return KeepBoth(
        path=diff.path,
        copy_path=name,
        loser=loser,
        size=steps.present(diff, loser).size,
        reason=reason,
        local=steps.stamp(diff.local),
        remote=steps.stamp(diff.remote),
        gives_way=gives_way,
    )


def _clash(
    diff: PathDiff, winner: Side | None, loser: Loser | None, kept: str | None, what: str
) -> Clash:
    return Clash(
        path=diff.path,
        winner=winner,
        loser=loser,
        kept=kept,
        local=steps.stamp(diff.local),
        remote=steps.stamp(diff.remote),
        what=what,
    )


def _cause(diff: PathDiff) -> str:
    created = diff.local_change is diff.remote_change is Change.CREATED
    return "different on both sides" if created else "changed on both sides"


def _told(rule: Winner, winner: Side | None) -> str:
    if winner is None:
        return "no version wins, the remote one keeps the name"
    if rule is Winner.MERGE:
        return f"they do not merge, the newer version ({winner}) keeps the name"
    if rule.value == winner.value:
        return f"the {winner} version keeps the name"
    return f"the {rule} version ({winner}) keeps the name"
