"""Decides which paths of a project are excluded, the same way for both sides.

Weakest to strongest: shared rules, the project's .gitignore files from the root down, the
manifest's own rules, what is closed. The last match of the strongest place decides, and nothing
below an excluded folder can be taken back, as in git. Pure; nothing is read here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from msgspec import Struct

from bm_sync import layout
from bm_sync.filters.closed import MAY_BE_CLOSED, Closed, ClosedNames, Met
from bm_sync.filters.pattern import bytewise
from bm_sync.filters.rules import BadPattern, check, parse
from bm_sync.filters.ruleset import Glance, RuleSet, Verdict
from bm_sync.model.config import BUILT_IN, FilterSet, Git, Links, OrderPath, Rule
from bm_sync.structs import replace

_HALF_FILES = Rule(f"*{layout.PARTIAL}", BUILT_IN)
_INCLUDED = Verdict(excluded=False)
_Places = tuple[tuple[str, RuleSet], ...]


class _Folder(Struct, frozen=True):
    """What is known of a folder: what excludes it, the places that speak in it, what is closed."""

    excluded: Verdict | None
    places: tuple[RuleSet, ...]
    glance: Glance
    closed: Closed
    closed_here: ClosedNames | None

    def excludes(self, path: str, name: str, is_dir: bool) -> bool:  # noqa: FBT001 - see `inside`
        """Return whether an entry of this folder is excluded, by its path and last name."""
        return (self.excluded or self.judge(path, name, is_dir=is_dir)).excluded

    def judge(self, path: str, name: str, *, is_dir: bool) -> Verdict:
        """Return the verdict on an entry of this folder, by its path and last name."""
        if self.closed_here or name[:1] in MAY_BE_CLOSED or not name.isascii() or "\\" in name:
            verdict = self.closed.verdict(path, name, self.closed_here)
            if verdict is not None:
                return verdict
        if not path.isascii():
            path, name = bytewise(path), bytewise(name)
        if not self.glance.may_match(path, name):
            return _INCLUDED
        for place in self.places:
            verdict = place.last(path, name, is_dir=is_dir)
            if verdict is not None:
                return verdict
        return _INCLUDED


class Matcher:
    """The filters of one project, with the ignore files added so far.

    `filters` are those it was made from; `bad` are the patterns that match nothing; `closed` is
    what no rule takes back. `revision` counts what it has learnt: trees made before that may hold
    what it excludes now.
    """

    def __init__(self, filters: FilterSet) -> None:
        self.filters = filters
        self.bad: tuple[BadPattern, ...] = ()
        self._shared = self._usable(filters.shared)
        self._own = self._usable(filters.rules)
        self._ignore_files: dict[str, tuple[Rule, ...]] = {}
        self._weak = _places(self._shared)
        self._by_folder: dict[str, RuleSet] = {}
        self._strong = _places((*self._own, _HALF_FILES))
        self.closed = Closed(filters.orders, git=filters.git is Git.SKIP)
        self.revision = 0
        self._folders: dict[str, _Folder] = {}

    def add_ignore_file(self, directory: str, text: str, shown_name: str) -> tuple[BadPattern, ...]:
        """Let the .gitignore of a folder ("" is the root) speak; return its bad patterns.

        The first one said for a folder stays: the local side is read before the remote one.
        """
        if directory in self._ignore_files:
            return ()
        rules, bad = parse(text, shown_name, directory)
        self._speak(directory, rules)
        self.bad += bad
        return bad

    def close_repositories(self, folders: Collection[str]) -> None:
        """Close what is git's in folders that are git directories."""
        new = set(folders) - self.closed.repositories if self.closed.git else set()
        self.closed.repositories |= new
        if new:
            self._learnt()

    def close(self, order: OrderPath) -> None:
        """Close one more path."""
        self.closed.add(order)
        self._learnt()

    def take_met(self) -> Met:
        """Return the closed paths that were met since this was last asked."""
        self._folders = {path: f for path, f in self._folders.items() if f.excluded is None}
        return self.closed.take_met()

    def linked(self, link: str, target: str) -> None:
        """Note that the path `link` leads to the folder `target`: orders have a second name."""
        depth = len(target.split("/")) if target else 0
        for order in self.closed.below(target):
            below = "/".join(order.path.split("/")[depth:])
            self.close(replace(order, path=f"{link}/{below}"))

    def excluded(self, path: str, *, is_dir: bool) -> bool:
        """Return whether a path, or a folder it lies in, is excluded."""
        parent, _, name = path.rpartition("/")
        folder = self._folders.get(parent) or self._enter(parent)
        return (folder.excluded or folder.judge(path, name, is_dir=is_dir)).excluded

    def inside(self, folder: str) -> Callable[[str, str, bool], bool]:
        """Return what tells of an entry of a folder, by path, name and `is_dir`, if it is excluded.

        It answers as `excluded` does until another ignore file is added.
        """
        known = self._folders.get(folder) or self._enter(folder)
        return known.excludes

    def verdict(self, path: str, *, is_dir: bool) -> Verdict:
        """Return whether a path is excluded and the rule that says so.

        For a path in an excluded folder it is the rule that excludes the folder.
        """
        parent, _, name = path.rpartition("/")
        folder = self._folders.get(parent) or self._enter(parent)
        return folder.excluded or folder.judge(path, name, is_dir=is_dir)

    def snapshot(self) -> str:
        """Return what these filters mean as JSON, to be stored and compared.

        It holds every usable rule but not where it was said, so that a moved line is no change.
        """
        return json.dumps(
            {
                "version": 1,
                "gitignore": self.filters.gitignore,
                "git": self.filters.git.value,
                "repositories": sorted(self.closed.repositories),
                "orders": sorted([order.path, order.glob] for order in self.closed.below("")),
                "links": self.filters.links.value,
                "max_size": self.filters.max_size,
                "shared": _said(self._shared),
                "ignore_files": {
                    folder: [rule.pattern for rule in rules]
                    for folder, rules in sorted(self._ignore_files.items())
                    if rules
                },
                "rules": _said(self._own),
            },
            separators=(",", ":"),
        )

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the snapshot in hex."""
        return hashlib.sha256(self.snapshot().encode("ascii")).hexdigest()

    @classmethod
    def from_snapshot(cls, text: str) -> Matcher:
        """Make the matcher that `snapshot` described; its rules have no origin.

        Raises ValueError when the text is not a snapshot.
        """
        try:
            told = json.loads(text)
            if told["version"] != 1:
                raise ValueError("the snapshot of the filters is of another version")
            matcher = cls(
                FilterSet(
                    gitignore=bool(told["gitignore"]),
                    git=_git(told),
                    orders=_orders(told),
                    shared=_heard(told["shared"]),
                    rules=_heard(told["rules"]),
                    max_size=told["max_size"],
                    links=Links(told["links"]),
                )
            )
            for folder, patterns in told["ignore_files"].items():
                matcher._speak(folder, tuple(Rule(p, BUILT_IN, folder) for p in patterns))
            matcher.close_repositories(told.get("repositories", ()))
        except (KeyError, TypeError, AttributeError, RecursionError) as e:
            raise ValueError("the snapshot of the filters is damaged") from e
        return matcher

    def _speak(self, directory: str, rules: tuple[Rule, ...]) -> None:
        self._ignore_files[directory] = rules
        if rules:
            self._by_folder[directory] = RuleSet(directory, rules)
            self._learnt()

    def _learnt(self) -> None:
        self.revision += 1
        self._folders.clear()

    def _usable(self, rules: Iterable[Rule]) -> tuple[Rule, ...]:
        usable = []
        for rule in rules:
            wrong = check(rule.pattern)
            if wrong is None:
                usable.append(rule)
            else:
                self.bad += (BadPattern(rule.origin, wrong),)
        return tuple(usable)

    def _enter(self, path: str) -> _Folder:
        """Return what is known of a folder, learning it from the nearest known one above it."""
        missing: list[str] = []
        at = path
        while at and at not in self._folders:
            missing.append(at)
            at = at.rpartition("/")[0]
        folder = self._folders.get(at) or self._folders.setdefault("", self._root())
        for step in reversed(missing):
            name = step.rpartition("/")[2]
            verdict = folder.excluded or folder.judge(step, name, is_dir=True)
            excluded = verdict if verdict.excluded else None
            places = () if excluded else tuple(self._places_in(step))
            glance = folder.glance if places == folder.places else Glance(places)
            folder = _Folder(excluded, places, glance, self.closed, self.closed.inside(step))
            self._folders[step] = folder
        return folder

    def _root(self) -> _Folder:
        places = tuple(self._places_in(""))
        return _Folder(None, places, Glance(places), self.closed, self.closed.inside(""))

    def _places_in(self, folder: str) -> Iterator[RuleSet]:
        """Yield the places that speak in a folder, the strongest first."""
        for base, place in reversed(self._strong):
            if _below(folder, base):
                yield place
        at = folder
        while self._by_folder:
            if at in self._by_folder:
                yield self._by_folder[at]
            if not at:
                break
            at = at.rpartition("/")[0]
        for base, place in reversed(self._weak):
            if _below(folder, base):
                yield place


def _below(folder: str, base: str) -> bool:
    return not base or folder == base or folder.startswith(base + "/")


def _places(rules: tuple[Rule, ...]) -> _Places:
    grouped = groupby(rules, key=lambda rule: rule.base)
    return tuple((base, RuleSet(base, said)) for base, said in grouped)


def _orders(told: Mapping[str, Any]) -> tuple[OrderPath, ...]:
    return tuple(OrderPath(path, "", BUILT_IN, bool(glob)) for path, glob in told.get("orders", ()))


def _git(told: Mapping[str, object]) -> Git:
    """Return what a snapshot says of git; an older version left it out with `gitignore` alone."""
    return Git(str(told.get("git", Git.SKIP if told["gitignore"] else Git.SYNC)))


def _said(rules: tuple[Rule, ...]) -> list[list[str]]:
    return [[rule.base, rule.pattern] for rule in rules]


def _heard(said: list[list[str]]) -> tuple[Rule, ...]:
    return tuple(Rule(pattern, BUILT_IN, base) for base, pattern in said)
