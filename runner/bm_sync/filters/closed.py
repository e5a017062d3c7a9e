"""Which paths no run moves, whatever the rules say: what runs take orders from, what is git's.

A name counts in every spelling that some file system takes for it, also where that of this machine
does not: the other side may be another one's. Git refuses to check out the same as `.git` (git
2.45, path.c `is_ntfs_dotgit`, utf8.c `is_hfs_dotgit`; CVE-2014-9390, CVE-2019-1353). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct, field

from bm_sync import layout
from bm_sync.filters.ruleset import Verdict
from bm_sync.model.config import BUILT_IN, OrderPath, Rule
from bm_sync.model.tree import Tree

_GIT = re.compile(r"(?:\.git|git~1)[. ]*(?::.*)?", re.IGNORECASE | re.DOTALL)
MAY_BE_CLOSED = ".gG"
"""How ASCII names begin that may be git's, or bm-sync's."""
_REPOSITORY = frozenset({"head", "objects", "refs"})
# What lies in a git directory (gitrepository-layout(5)), as `layout.folded` has it.
_PARTS = frozenset(
    """
    head orig_head fetch_head merge_head cherry_pick_head revert_head bisect_head rebase_head
    auto_merge commit_editmsg merge_msg merge_mode merge_rr squash_msg branches commondir config
    config.lock config.worktree description gitdir head.lock hooks index index.lock info locked logs
    lost-found modules objects packed-refs packed-refs.lock rebase-apply rebase-merge refs reftable
    remotes rr-cache sequencer shallow shallow.lock svn worktrees
    """.split()  # noqa: SIM905 - forty names are read better as text
)
_OURS = Verdict(excluded=True, rule=Rule(layout.HOME, BUILT_IN))
_GITS = Verdict(excluded=True, rule=Rule(".git", BUILT_IN), git=True)
_BARE = {
    name: Verdict(excluded=True, rule=Rule("a git repository", BUILT_IN), git=True)
    for name in _PARTS
}


def is_git(name: str) -> bool:
    """Return whether a name is git's own (`.git`), or some file system takes it for that."""
    if not name.isascii():
        name = name.translate(layout.UNSEEN)
    return any(_GIT.fullmatch(part) for part in name.split("\\"))  # as git does, for Windows


class ClosedNames(Struct, frozen=True):
    """What is closed right in one folder: by folded name, and by pattern of a folded name."""

    names: Mapping[str, Verdict] = field(default_factory=dict)
    patterns: tuple[tuple[str, Verdict], ...] = ()

    def get(self, name: str) -> Verdict | None:
        """Return the verdict on a folded name, None when it is not closed."""
        found = self.names.get(name)
        if found is None:
            found = next((v for pattern, v in self.patterns if fnmatchcase(name, pattern)), None)
        return found


class Met(Struct, frozen=True):
    """The topmost closed paths that were met on one side; bm-sync's own are not among them."""

    orders: Mapping[str, OrderPath]
    git: frozenset[str]

    def __or__(self, other: Met) -> Met:
        """Return what was met by both."""
        return Met({**self.orders, **other.orders}, self.git | other.git)


class Closed:
    """What is closed in one project. `git`: whether what is git's is closed, too."""

    def __init__(self, orders: Iterable[OrderPath], *, git: bool) -> None:
        self.git = git
        self.repositories: set[str] = set()
        """Folders that are git directories by what lies in them, folded."""
        self._met: dict[str, Verdict] = {}
        self._ranks: dict[str, int] = {}  # kinds of orders, in the order they were told
        self._orders: dict[str, dict[str, Verdict]] = {}
        self._patterns: list[tuple[str, str, Verdict]] = []
        for order in orders:
            self.add(order)

    def add(self, order: OrderPath) -> None:
        """Close one more path."""
        rule = Rule(f"/{order.path}", order.origin)
        verdict = Verdict(excluded=True, rule=rule, order=order)
        path = order.path.casefold() if order.glob else _folded(order.path)
        parent, _, name = path.rpartition("/")
        self._ranks.setdefault(order.what, len(self._ranks))
        if order.glob:
            self._patterns.append((parent, name, verdict))
        else:
            self._orders.setdefault(parent, {})[name] = verdict

    def take_met(self) -> Met:
        """Return what was met since this was last asked."""
        met, self._met = self._met, {}
        found = [(path, v.order) for path, v in met.items() if v.order is not None]
        orders = dict(sorted(found, key=lambda item: (self._ranks[item[1].what], item[0])))
        return Met(orders, frozenset(_git_top(path) for path, v in met.items() if v.git))

    def below(self, folder: str) -> tuple[OrderPath, ...]:
        """Return the orders that lie in a folder, at any depth."""
        top = f"{_folded(folder)}/" if folder else ""
        found = [(p, v) for p, names in self._orders.items() for v in names.values()]
        found += [(parent, verdict) for parent, _, verdict in self._patterns]
        orders = (v.order for parent, v in found if f"{parent}/".startswith(top))
        return tuple(order for order in orders if order is not None)

    def at(self, path: str) -> Verdict | None:
        """Return what closes a path, or a folder it lies in, whatever the rules say of these."""
        folder = ""
        for name in path.split("/"):
            found = self._named(name, self.inside(folder))
            if found is not None:
                return found
            folder = f"{folder}/{name}" if folder else name
        return None

    def inside(self, folder: str) -> ClosedNames | None:
        """Return what is closed right in a folder, None when nothing is."""
        if not (self._orders or self._patterns or self.repositories):
            return None
        known = _folded(folder)
        named = self._orders.get(known, {})
        if known in self.repositories:
            named = {**_BARE, **named}
        patterns = [(name, v) for parent, name, v in self._patterns if _fits(known, parent)]
        return ClosedNames(named, tuple(patterns)) if named or patterns else None

    def verdict(self, path: str, name: str, here: ClosedNames | None) -> Verdict | None:
        """Return the verdict on a closed entry of a folder, None when it is not closed.

        `here` is what `inside` gives for the folder. Where that is empty, only names need to be
        asked for that begin with one of `MAY_BE_CLOSED`, or have a backslash or are not ASCII.
        """
        found = self._named(name, here)
        if found is not None and (found.git or found.order is not None):
            self._met[path] = found
        return found

    def _named(self, name: str, here: ClosedNames | None) -> Verdict | None:
        if here is None and name[:1] not in MAY_BE_CLOSED and "\\" not in name:
            plain = name.isascii() or name.translate(layout.UNSEEN) == name
            if plain:
                return None
        if self.git and is_git(name):
            return _GITS
        known = layout.folded(name)
        if known == layout.HOME:
            return _OURS
        return None if here is None else here.get(known)


def repositories(*trees: Tree) -> set[str]:
    """Return the folders, folded, that are git directories by what lies in them on both sides.

    Half of one may stand on either side: brought together they would be whole.
    """
    heads = (path for tree in trees for path in tree.files if path[-4:-3] in "hH" or _odd(path))
    split = (_folded(path).rpartition("/") for path in heads)
    inside = {parent: {"head"} for parent, _, name in split if name == "head"}
    if not inside:
        return set()
    for tree in trees:
        for path in (*tree.files, *tree.dirs):
            parts = _folded(path).split("/")
            for depth, part in enumerate(parts):
                inside.get("/".join(parts[:depth]), set()).add(part)
    return {top for top, names in inside.items() if names >= _REPOSITORY}


def _git_top(path: str) -> str:
    """Return what a person calls it: `.git`, or the folder that is a git directory."""
    parent, _, name = path.rpartition("/")
    return path if is_git(name) else parent or "."


def _fits(folder: str, pattern: str) -> bool:
    """Return whether each part of a folder matches that of a pattern, both folded."""
    names, wanted = folder.split("/"), pattern.split("/")
    alike = len(names) == len(wanted) and bool(folder) == bool(pattern)
    return alike and all(map(fnmatchcase, names, wanted))


def _odd(path: str) -> bool:
    return not path.isascii()


def _folded(path: str) -> str:
    return "/".join(map(layout.folded, path.split("/"))) if path else ""
