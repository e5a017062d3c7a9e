"""A pure model of two sides, a trash and a memory, and of an engine that carries plans out.

It refuses, by assertion, every action that a real engine could not do without breaking a promise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from property.strategies import digest

from bm_sync.model.plan import (
    Action,
    Adopt,
    AdoptDir,
    Copy,
    Forget,
    KeepBoth,
    MakeDir,
    Move,
    ProjectPlan,
    RemoveDir,
    Restore,
    Trash,
)
from bm_sync.model.tree import (
    Agreed,
    Baseline,
    File,
    FileStamp,
    ObjectStamp,
    Observation,
    Problem,
    ProblemKind,
    Side,
    Stamp,
    Tree,
)
from bm_sync.plan.diff import needs_mtime, questions
from bm_sync.plan.intent import Intent
from bm_sync.plan.planner import make
from bm_sync.structs import replace

MINUTE_NS = 60_000_000_000


def above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


@dataclass(frozen=True)
class Version:
    """A file on a model side; `tick` moves with every write, `minute` is its modification time."""

    content: str
    minute: int
    tick: int


@dataclass
class Place:
    """One side. `store` is folder (strong stamps), bucket (hashes) or plain (size and time)."""

    store: str
    files: dict[str, Version] = field(default_factory=dict)
    dirs: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    case_insensitive: bool = False
    can_delete: bool = True

    @property
    def has_folders(self) -> bool:
        return self.store != "bucket"

    def blocks(self, path: str) -> bool:
        return any(p in self.blocked for p in (path, *above(path)))

    def stamp(self, path: str) -> Stamp | None:
        version = self.files.get(path)
        if version is None:
            return None
        size, mtime = len(version.content), version.minute * MINUTE_NS
        if self.store == "folder":
            return FileStamp(size, mtime, version.tick, version.tick)
        if self.store == "bucket":
            return ObjectStamp(size, digest(version.content), None)
        return ObjectStamp(size, None, mtime + version.tick)

    def tree(self, side: Side) -> Tree:
        files = {}
        for path in self.files:
            stamp = self.stamp(path)
            assert stamp is not None
            if not self.blocks(path):
                files[path] = File(stamp)
        dirs = {d: self._covers(d) for d in self.dirs if not self.blocks(d)}
        problems = tuple(
            Problem(p, side, ProblemKind.UNREADABLE, "unreadable") for p in sorted(self.blocked)
        )
        shown = dirs if self.has_folders else {}
        return Tree(
            files,
            shown,
            problems,
            has_folders=self.has_folders,
            case_insensitive=self.case_insensitive,
            can_delete=self.can_delete,
        )

    def spelt(self, path: str) -> str:
        """Return a path as this side spells it, where it or a folder above it stands already."""
        if not self.case_insensitive:
            return path
        dirs = self.dirs if self.has_folders else set()
        names = {*self.files, *dirs, *(up for file in self.files for up in above(file))}
        for name in sorted(names, key=len):
            if path.lower() == name.lower():
                path = name
            elif path.lower().startswith(name.lower() + "/"):
                path = name + path[len(name) :]
        return path

    def _covers(self, folder: str) -> bool:
        return any(p.startswith(folder + "/") for p in self.hidden | self.blocked)

    def holds(self, folder: str) -> list[str]:
        return [p for p in (*self.files, *self.dirs, *self.hidden) if p.startswith(folder + "/")]


@dataclass
class World:
    """Two sides, what both agreed on, and everything that was thrown away."""

    local: Place
    remote: Place
    rows: dict[str, Agreed] = field(default_factory=dict)
    agreed: dict[str, str] = field(default_factory=dict)
    dirs: set[str] = field(default_factory=set)
    known: bool = True
    trash: list[tuple[Side, str, str]] = field(default_factory=list)
    aliases: list[tuple[str, str, str]] = field(default_factory=list)
    tick: int = 0

    def place(self, side: Side) -> Place:
        return self.local if side is Side.LOCAL else self.remote

    # What people do to a side

    def write(self, side: Side, path: str, content: str, minute: int) -> None:
        """Write a file, whatever stands in its way."""
        place = self.place(side)
        path = place.spelt(path)
        self.tick += 1
        if place.has_folders:
            for up in above(path):
                place.files.pop(up, None)
                place.dirs.add(up)
            self.remove(side, path)
        place.files[path] = Version(content, minute, self.tick)

    def remove(self, side: Side, path: str) -> None:
        """Remove a file, or a folder with everything in it."""
        place = self.place(side)
        path = place.spelt(path)
        for name in [p for p in place.files if p == path or p.startswith(path + "/")]:
            del place.files[name]
        place.dirs -= {d for d in place.dirs if d == path or d.startswith(path + "/")}
        place.hidden -= {d for d in place.hidden if d.startswith(path + "/")}

    def mkdir(self, side: Side, path: str) -> None:
        place = self.place(side)
        path = place.spelt(path)
        if not place.has_folders or path in place.dirs:
            return
        self.write(side, path + "/_", "", 0)
        del place.files[path + "/_"]

    def agree(self) -> None:
        """Let both sides agree on everything as it is now."""
        self.agreed = {p: v.content for p, v in self.local.files.items()}
        self.rows = {p: self._row(p) for p in self.agreed}
        self.dirs = set(self.local.dirs) if self.remote.has_folders else set()

    def _row(self, path: str) -> Agreed:
        here, there = self.local.stamp(path), self.remote.stamp(path)
        assert here is not None
        assert there is not None
        return Agreed(digest(self.local.files[path].content), here, there)

    # What the caller of the planner does

    def look(self) -> Observation:
        baseline = Baseline(dict(self.rows), frozenset(self.dirs), known=self.known)
        return Observation(self.local.tree(Side.LOCAL), self.remote.tree(Side.REMOTE), baseline)

    def plan(self, intent: Intent) -> tuple[Observation, ProjectPlan]:
        seen = self.look()
        asked = questions(seen, intent.policy)
        seen = self.tell(seen, {Side.LOCAL: asked.local, Side.REMOTE: asked.remote})
        times = needs_mtime(seen, intent.policy)
        remote = {
            p: f._replace(mtime_ns=self.remote.files[p].minute * MINUTE_NS) if p in times else f
            for p, f in seen.remote.files.items()
        }
        seen = replace(seen, remote=replace(seen.remote, files=remote))
        return seen, make("p", "k", seen, intent)

    def tell(self, seen: Observation, asked: dict[Side, frozenset[str]]) -> Observation:
        """Fill in the contents that were asked for."""
        trees = {}
        for side in Side:
            found = dict(seen.tree(side).files)
            for path in asked[side]:
                content = digest(self.place(side).files[path].content)
                found[path] = found[path]._replace(content=content)
            trees[side] = replace(seen.tree(side), files=found)
        return replace(seen, local=trees[Side.LOCAL], remote=trees[Side.REMOTE])

    # What an engine does

    def carry_out(self, plan: ProjectPlan) -> None:
        for action in plan.actions:
            self._carry(action)
        self.known = True

    def _carry(self, action: Action) -> None:
        match action:
            case Copy():
                self._copy(action)
            case Trash(path=path, side=side):
                self._fits(action, path)
                self._discard(side, path)
                self._drop(path)
            case Move():
                self._move(action)
            case KeepBoth():
                self._keep_both(action)
            case Adopt() | Forget() | AdoptDir():
                self._remember(action)
            case Restore():
                raise AssertionError("only a plan that takes back restores")
            case MakeDir(path=path, side=side):
                assert path not in self.place(side).dirs
                self._clear_way(side, path + "/_")
                self.place(side).dirs |= {path, *above(path)}
                self.dirs.add(path)
            case RemoveDir(path=path, side=side):
                assert path in self.place(side).dirs
                assert not self.place(side).holds(path), "only empty folders are removed"
                self.place(side).dirs.discard(path)
                self.dirs.discard(path)

    def _remember(self, action: Adopt | Forget | AdoptDir) -> None:
        match action:
            case Adopt(path=path):
                self._fits(action, path)
                here, there = self.local.files[path], self.remote.files[path]
                assert here.content == there.content, "only equal versions are adopted"
                self._learn(path)
            case Forget(path=path, folder=True):
                assert path not in self.local.dirs | self.remote.dirs, "what stands is known"
                self.dirs.discard(path)
            case Forget(path=path):
                assert path not in self.local.files, "what stands is not forgotten"
                assert path not in self.remote.files
                self._drop(path)
            case AdoptDir(path=path):
                assert path in self.local.dirs
                assert path in self.remote.dirs
                self.dirs.add(path)

    def _fits(self, action: Copy | Trash | Adopt | KeepBoth, path: str) -> None:
        assert action.local == self.local.stamp(path), "planned on what stands"
        assert action.remote == self.remote.stamp(path), "planned on what stands"

    def _copy(self, action: Copy) -> None:
        side, path = action.to, action.path
        # A conflict copy may have been made beside it; the versions themselves stand as planned.
        self._fits(action, path)
        version = self.place(side.other).files[path]
        assert action.content in (None, digest(version.content))
        assert action.size == len(version.content)
        if action.target is not None:
            old = self.place(side).files[path]
            if action.kept_as is None:
                self._discard(side, path)
            else:
                kept = self.place(side).files[action.kept_as]
                assert kept.content == old.content, "the copy holds what is replaced"
        self._put(side, path, version)
        self._learn(path)

    def _move(self, action: Move) -> None:
        side = action.side
        new, old = action.path, action.old_path
        stamps = (action.local, action.remote)
        if side is Side.REMOTE:
            stamps = (action.remote, action.local)
        assert stamps == (self.place(side).stamp(old), self.place(side.other).stamp(new))
        version = self.place(side).files.pop(old)
        assert version.content == self.place(side.other).files[new].content
        assert new not in self.place(side).files
        self.aliases.append((old, new, version.content))
        self._put(side, new, version)
        self._drop(old)
        self._learn(new)

    def _keep_both(self, action: KeepBoth) -> None:
        self._fits(action, action.path)
        version = self.place(action.loser).files[action.path]
        if action.gives_way:
            del self.place(action.loser).files[action.path]
            self._drop(action.path)
        for side in Side:
            assert action.copy_path not in self.place(side).files, "a copy replaces nothing"
            self._put(side, action.copy_path, version)
        self.aliases.append((action.path, action.copy_path, version.content))
        self._learn(action.copy_path)

    def _put(self, side: Side, path: str, version: Version) -> None:
        self._clear_way(side, path)
        place = self.place(side)
        self.tick += 1
        place.files[path] = replace(version, tick=self.tick)
        if place.has_folders:
            place.dirs |= set(above(path))

    def _clear_way(self, side: Side, path: str) -> None:
        place = self.place(side)
        assert not place.blocks(path), "blocked paths are left alone"
        assert place.spelt(path) == path, "nothing goes over another spelling of its name"
        if place.has_folders:
            assert path not in place.dirs, "no file over a folder"
            assert not any(up in place.files for up in above(path)), "no folder over a file"

    def _discard(self, side: Side, path: str) -> None:
        assert not self.local.blocks(path)
        assert not self.remote.blocks(path)
        self.trash.append((side, path, self.place(side).files.pop(path).content))

    def _drop(self, path: str) -> None:
        self.rows.pop(path, None)
        self.agreed.pop(path, None)

    def _learn(self, path: str) -> None:
        self.rows[path] = self._row(path)
        self.agreed[path] = self.local.files[path].content

    # What a law asks

    def contents(self, side: Side) -> dict[str, str]:
        return {path: version.content for path, version in self.place(side).files.items()}

    def kept(self) -> set[tuple[str, str]]:
        """Return every version that can be reached, under the path it had."""
        found = {(path, content) for side in Side for path, content in self.contents(side).items()}
        found |= {(path, content) for _, path, content in self.trash}
        return found | {
            (old, content) for old, new, content in self.aliases if (new, content) in found
        }
