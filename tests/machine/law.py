"""What must happen to two sides of a project, told from contents alone: base, local, remote.

This is the specification in small, written without a look at the planner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from machine.histories import LOCAL, REMOTE, SIDES, Policy
from machine.names import excluded
from machine.shores import View, below, ups

Files = dict[str, bytes]


@dataclass
class Memory:
    """What both sides agreed on after the last run."""

    files: Files = field(default_factory=dict)
    dirs: set[str] = field(default_factory=set)


@dataclass
class Due:
    """What must stand on each side after a run.

    losers: versions that must be in a conflict copy beside their path. loud: the run must fail for
    a path. waits: it must say that a person is asked. untouched: paths (with all below) that stay.
    """

    files: dict[str, Files]
    dirs: dict[str, set[str]]
    losers: list[tuple[str, bytes]] = field(default_factory=list)
    loud: bool = False
    waits: bool = False
    untouched: set[str] = field(default_factory=set)

    @property
    def exit(self) -> int:
        """Return the exit code this deserves."""
        return 1 if self.loud else 3 if self.waits else 0


@dataclass(frozen=True)
class Side:
    """What the rules leave of a side; `hidden` is what they take out, with what cannot be read."""

    files: Files
    times: Mapping[str, float]
    dirs: set[str]
    hidden: set[str]
    pipes: set[str]
    has_folders: bool


def seen(view: View, patterns: Iterable[str], *, has_folders: bool) -> Side:
    """Return a side as the rules show it."""
    out = {p for p in (*view.files, *view.dirs, *view.pipes) if excluded(p, patterns)}
    pipes = {p for p in view.pipes if p not in out}
    return Side(
        files={p: e.data for p, e in view.files.items() if p not in out},
        times={p: e.mtime for p, e in view.files.items()},
        dirs={p for p in view.dirs if p not in out},
        hidden=out | pipes,
        pipes=pipes,
        has_folders=has_folders,
    )


def under(path: str, roots: set[str]) -> bool:
    """Return whether a path is one of the roots or below one."""
    return path in roots or any(up in roots for up in ups(path))


def due(sides: dict[str, Side], base: Memory, policy: Policy) -> Due:
    """Return what must stand after a run."""
    law = _Law(sides, base, policy)
    match policy.mode:
        case "two-way":
            return law.two_way()
        case "mirror":
            return law.mirror(LOCAL if policy.direction == "up" else REMOTE)
        case "push":
            return law.additive(LOCAL)
        case _:
            return law.additive(REMOTE)


class _Law:
    def __init__(self, sides: dict[str, Side], base: Memory, policy: Policy) -> None:
        self.sides = sides
        self.base = base
        self.policy = policy
        self.out = Due({s: dict(sides[s].files) for s in SIDES}, {s: set() for s in SIDES})
        for side in SIDES:
            for pipe in sides[side].pipes:
                self.out.untouched.add(pipe)
                other = sides[REMOTE if side == LOCAL else LOCAL]
                known = {*other.files, *other.dirs, *_not_hidden(base.files, self), *base.dirs}
                self.out.loud |= any(k == pipe or k.startswith(f"{pipe}/") for k in known)

    def paths(self) -> list[str]:
        found = {p for s in SIDES for p in self.sides[s].files}
        return sorted(p for p in found if not under(p, self.out.untouched))

    def hides(self, side: str, folder: str) -> bool:
        return bool(below(folder, self.sides[side].hidden))

    def two_way(self) -> Due:
        local, remote = self.sides[LOCAL].files, self.sides[REMOTE].files
        result: Files = {}
        contested: list[str] = []
        for path in self.paths():
            here, there, was = local.get(path), remote.get(path), self.base.files.get(path)
            if here in (there, was):
                value = there
            elif there == was or there is None:
                value = here
            elif here is None:
                value = there
            else:
                contested.append(path)
                value = here
            if value is not None:
                result[path] = value
        self._folders_keep_names(result, contested)
        for path in contested:
            if not under(path, self.out.untouched):
                self._contest(path, local[path], there=remote[path], result=result)
        self._both(result)
        return self.out

    def _contest(self, path: str, here: bytes, *, there: bytes, result: Files) -> None:
        if self.policy.winner == "stop":
            self.out.waits = True
            self.out.untouched.add(path)
            return
        winner = self._winner(path, here, there)
        result[path] = here if winner == LOCAL else there
        loser = there if winner == LOCAL else here
        if winner is None or self.policy.loser == "copy":
            self.out.losers.append((path, loser))

    def _winner(self, path: str, here: bytes, there: bytes) -> str | None:
        rule = self.policy.winner
        if rule in SIDES:
            return rule
        if rule in ("newer", "older"):
            one, two = self.sides[LOCAL].times[path], self.sides[REMOTE].times[path]
        elif rule in ("larger", "smaller"):
            one, two = float(len(here)), float(len(there))
        else:
            return None
        if one == two:
            return None
        first = LOCAL if one > two else REMOTE
        if rule in ("older", "smaller"):
            return REMOTE if first == LOCAL else LOCAL
        return first

    def _folders_keep_names(self, result: Files, contested: list[str]) -> None:
        """Settle the names that would be a file and a folder."""
        for path in sorted(result):
            inside = below(path, result)
            against = [s for s in SIDES if path in _folders(self.sides[s])]
            if inside and self.policy.winner == "stop":
                self.out.waits = True
                self.out.untouched.add(path)
            elif inside:
                self.out.losers.append((path, result.pop(path)))
                if path in contested:
                    contested.remove(path)
            elif any(self.hides(s, path) for s in against):
                self.out.loud = True
                self.out.untouched.add(path)

    def _both(self, result: Files) -> None:
        for side in SIDES:
            kept = {p: c for p, c in self.sides[side].files.items() if self._stays(p)}
            self.out.files[side] = {p: c for p, c in result.items() if not self._stays(p)} | kept
        made = {up for p in (*result, *(p for p, _ in self.out.losers)) for up in ups(p)}
        local, remote = _folders(self.sides[LOCAL]), _folders(self.sides[REMOTE])
        wanted = (local & remote) | ((local ^ remote) - self.base.dirs) | made
        wanted = {d for d in wanted if not _replaced(d, result)}
        wanted |= {up for d in wanted for up in ups(d)}
        for side in SIDES:
            self._dirs(side, wanted)

    def _stays(self, path: str) -> bool:
        return under(path, self.out.untouched)

    def _dirs(self, side: str, wanted: set[str]) -> None:
        me = self.sides[side]
        stay = {d for d in me.dirs if self._stays(d)}
        holders = {d for d in me.dirs if self.hides(side, d)}
        fixed = stay | holders | {up for p in stay for up in ups(p)}
        fixed |= {up for p in self.out.files[side] for up in ups(p)}
        self.out.dirs[side] = {d for d in wanted if not self._stays(d)} | fixed

    def mirror(self, source: str) -> Due:
        target = REMOTE if source == LOCAL else LOCAL
        mine, theirs = self.sides[source], self.sides[target]
        for path in mine.files:
            if path in _folders(theirs) and self.hides(target, path):
                self.out.loud = True
                self.out.untouched.add(path)
        new = {p: c for p, c in mine.files.items() if not self._stays(p)}
        kept = {p: c for p, c in theirs.files.items() if self._stays(p)}
        self.out.files[target] = new | kept
        self.out.dirs[source] = set(mine.dirs)
        self._dirs(target, _folders(mine))
        return self.out

    def additive(self, source: str) -> Due:
        target = REMOTE if source == LOCAL else LOCAL
        mine, theirs = self.sides[source], self.sides[target]
        self._additive_clashes(source, target)
        result = dict(theirs.files)
        for path in self.paths():
            here, there, was = (
                mine.files.get(path),
                theirs.files.get(path),
                self.base.files.get(path),
            )
            if here is None or here == there:
                continue
            if there is None or there == was or (here != was and self.policy.winner == source):
                result[path] = here
            elif here != was and self.policy.winner != target:
                self.out.waits = True
        self.out.files[target] = result
        self.out.dirs[source] = set(mine.dirs)
        self._dirs(target, _folders(mine) | _folders(theirs))
        return self.out

    def _additive_clashes(self, source: str, target: str) -> None:
        mine, theirs = self.sides[source], self.sides[target]
        for path, data in mine.files.items():
            if path in _folders(theirs) and not self._stays(path):
                self.out.untouched.add(path)
                self.out.loud |= self.base.files.get(path) != data
        for path in theirs.files:
            if path in _folders(mine) and not self._stays(path):
                self.out.untouched.add(path)
                self.out.loud |= bool(below(path, mine.files))


def _not_hidden(files: Files, law: _Law) -> list[str]:
    hidden = {p for s in SIDES for p in law.sides[s].hidden - law.sides[s].pipes}
    return [p for p in files if p not in hidden]


def _folders(side: Side) -> set[str]:
    return side.dirs | {up for p in side.files for up in ups(p)}


def _replaced(folder: str, result: Files) -> bool:
    return folder in result or any(up in result for up in ups(folder))


def remember(base: Memory, sides: dict[str, Side], due: Due, patterns: Iterable[str]) -> None:
    """Learn what both sides agree on now; what is excluded or left alone keeps its memory."""
    local, remote = sides[LOCAL], sides[REMOTE]
    for path in {*local.files, *remote.files, *base.files}:
        if excluded(path, patterns) or under(path, due.untouched):
            continue
        here, there = local.files.get(path), remote.files.get(path)
        if here == there and here is not None:
            base.files[path] = here
        elif here is there is None:
            base.files.pop(path, None)
    if not (local.has_folders and remote.has_folders):
        return
    near, far = _folders(local), _folders(remote)
    for path in {*near, *far, *base.dirs}:
        if excluded(path, patterns) or under(path, due.untouched):
            continue
        if path in near and path in far:
            base.dirs.add(path)
        elif path not in near and path not in far:
            base.dirs.discard(path)
