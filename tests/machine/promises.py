"""What every run promises, held against both sides before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from machine import law
from machine.histories import LOCAL, REMOTE, SIDES
from machine.lane import Lane
from machine.names import is_copy_of
from machine.shores import View, below, ups

from bm_sync.model.plan import Plan, ProjectPlan
from bm_sync.model.run import Outcome, ProjectRun


@dataclass
class Case:
    """One project in one run: before and after."""

    lane: Lane
    before: dict[str, View]
    after: dict[str, View]
    trash_before: dict[str, dict[str, bytes]]
    run: ProjectRun

    def check(self) -> None:
        lane = self.lane
        then, now = lane.sides(self.before), lane.sides(self.after)
        due = law.due(then, lane.base, lane.history.policy)
        self._nothing_lost()
        self._excluded_untouched(then)
        self._as_due(due, now)
        self._untouched_in_place()
        told = (self.run.exit, self.run.message, [a for a in self.run.actions if a.detail])
        assert self.run.exit == due.exit, (told, self.run.problems)
        law.remember(lane.base, now, due, lane.patterns)

    def _nothing_lost(self) -> None:
        trash = self.lane.trash()
        for side in SIDES:
            assert self.trash_before[side].items() <= trash[side].items(), "the trash shrank"
        named = [a.kept.partition("/.bm-sync/")[2] for a in self.run.actions if a.kept and a.side]
        kept = {data for s in SIDES for path, data in trash[s].items() if path in named}
        stands = {e.data for s in SIDES for e in self.after[s].files.values()}
        for side in SIDES:
            for path, entry in self.before[side].files.items():
                assert entry.data in kept | stands, f"lost: {path} of {side}: {entry.data!r}"
        for action in self.run.actions:
            if action.kept and "/.bm-sync/" in action.kept:
                where = action.kept.partition("/.bm-sync/")[2]
                assert any(where in trash[s] for s in SIDES), f"not there: {action.kept}"

    def _excluded_untouched(self, then: dict[str, law.Side]) -> None:
        for side in SIDES:
            was, now = self.before[side], self.after[side]
            for path in then[side].hidden:
                assert was.files.get(path) == now.files.get(path), f"excluded {path} changed"
                assert was.pipes.get(path) == now.pipes.get(path), f"pipe {path} changed"
                assert (path in was.dirs) == (path in now.dirs), f"excluded {path} changed"

    def _as_due(self, due: law.Due, now: dict[str, law.Side]) -> None:
        actual = {s: now[s].files for s in SIDES}
        extra: dict[str, set[str]] = {}
        for side in SIDES:
            assert due.files[side].items() <= actual[side].items(), self._story(side, due, actual)
            extra[side] = actual[side].keys() - due.files[side].keys()
        left = list(due.losers)
        for name in sorted(extra[LOCAL] | extra[REMOTE]):
            fits = [p for p in left if is_copy_of(name, p[0]) and self._both(name) == p[1]]
            assert fits, f"{name} came from nowhere"
            left.remove(fits[0])
        for path, data in left:
            names = [n for n in actual[LOCAL] if is_copy_of(n, path)]
            assert any(self._both(n) == data for n in names), f"no copy of {path} {data!r}"
        for side in SIDES:
            if self._both_have_folders:
                assert now[side].dirs == due.dirs[side], f"folders on the {side} side"
        if not self._both_have_folders:
            self._emptied_folders_go()

    def _emptied_folders_go(self) -> None:
        """Against a store without folders: only those that the run emptied are removed."""
        was, now = self.before[LOCAL], self.after[LOCAL]
        left = was.files.keys() - now.files.keys()
        for folder in was.dirs:
            gone, emptied = folder not in now.dirs, bool(below(folder, left))
            inside = below(folder, (*now.files, *now.dirs, *now.pipes))
            assert not gone or emptied or folder in now.files, f"{folder} was removed"
            assert gone or inside or not emptied, f"{folder} was emptied and stays"
        made = {up for p in now.files for up in ups(p)}
        assert now.dirs.keys() <= was.dirs.keys() | made, "a folder came from nowhere"

    @property
    def _both_have_folders(self) -> bool:
        return all(self.lane.shores[s].has_folders for s in SIDES)

    def _both(self, name: str) -> bytes | None:
        """Return what a name holds, the same on both sides."""
        found = [self.after[s].files.get(name) for s in SIDES]
        first, second = found
        if first is None or second is None or first.data != second.data:
            return None
        return first.data

    def _story(self, side: str, due: law.Due, actual: Mapping[str, law.Files]) -> str:
        wrong = dict(due.files[side].items() - actual[side].items())
        told = {p: actual[side].get(p) for p in wrong}
        return f"{side}: due {wrong}, but there is {told}; {self.run.actions}; {self.run.message}"

    def _untouched_in_place(self) -> None:
        """I4, I7, I8: what needed no change was not even written again, a source never."""
        for side in SIDES:
            for path, was in self.before[side].files.items():
                now = self.after[side].files.get(path)
                if now is not None and now.data == was.data:
                    assert now.place == was.place, f"{path} on {side} was written for nothing"
        mode = self.lane.history.policy
        if mode.mode != "two-way":
            up = mode.mode == "push" or (mode.mode == "mirror" and mode.direction == "up")
            source = LOCAL if up else REMOTE
            assert self.before[source].files == self.after[source].files, "the source was written"
            assert self.before[source].dirs.keys() == self.after[source].dirs.keys()


def same_plan(plan: Plan, applied: Plan, number: int, run: ProjectRun) -> None:
    """I13: what was planned is what was done."""
    first, second = plan.projects[number], applied.projects[number]
    assert first.actions == second.actions, "apply planned something else"
    if first.failure is None and not first.stops:
        assert [(a.kind, a.path, a.reason) for a in run.actions] == _moves(first)
        bad = [a for a in run.actions if a.outcome is not Outcome.DONE]
        assert not bad, bad


def _moves(plan: ProjectPlan) -> list[tuple[str, str, str]]:
    return [(a.kind, a.path, str(a.reason)) for a in plan.moves]
