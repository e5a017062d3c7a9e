"""Answers for the rules of one place which of them is the last that matches a path. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import methodcaller

from msgspec import Struct

from bm_sync.filters.pattern import Pattern, bytewise, understand
from bm_sync.model.config import OrderPath, Rule


class Verdict(Struct, frozen=True):
    """Whether a path is excluded, and by which rule it is or is not; None: no rule matched.

    `order` and `git` say that no run moves it: it is what runs take their orders from, or git's.
    """

    excluded: bool
    rule: Rule | None = None
    order: OrderPath | None = None
    git: bool = False


_Question = Callable[[str], object]


class RuleSet:
    """Rules that are relative to the same folder, in the order they were said.

    Most paths match nothing, so one cheap question asks for all rules at once; only a hit is
    decided rule by rule. Paths are Latin-1 text of their bytes (see `pattern.bytewise`).
    """

    __slots__ = ("_other_names", "_paths", "_rules", "_skip", "names", "suffixes")

    def __init__(self, base: str, rules: Iterable[Rule]) -> None:
        known = [(rule, understand(rule.pattern)) for rule in rules]
        self._skip = len(bytewise(base)) + 1 if base else 0
        # The strongest first, so that the first match decides.
        self._rules = tuple(
            (_question(p), p.by_name, p.only_folders, Verdict(not p.negated, rule))
            for rule, p in reversed(known)
        )
        shapes = [p for _, p in known]
        named = [p for p in shapes if p.by_name]
        self.names = frozenset(p.literal for p in named if p.literal is not None)
        self.suffixes = tuple(p.suffix for p in named if p.suffix is not None)
        odd = [p for p in named if p.literal is None and p.suffix is None]
        self._other_names = _any_of(odd)
        self._paths = _any_of([p for p in shapes if not p.by_name])

    @property
    def knows_shapes(self) -> bool:
        """Return whether any rule needs more than the names and suffixes."""
        return self._other_names is not _never or self._paths is not _never

    def has_shape(self, path: str, name: str) -> bool:
        """Return whether a rule matches that is neither a plain name nor a suffix."""
        return bool(self._other_names(name) or self._paths(path[self._skip :]))

    def last(self, path: str, name: str, *, is_dir: bool) -> Verdict | None:
        """Return what the last rule that matches says; None when none does.

        `path` is relative to the project's root and lies below the folder of these rules; `name`
        is its last part.
        """
        below = path[self._skip :]
        if not (name in self.names or name.endswith(self.suffixes) or self.has_shape(path, name)):
            return None
        for matches, by_name, only_folders, verdict in self._rules:
            if (is_dir or not only_folders) and matches(name if by_name else below):
                return verdict
        return None


class Glance:
    """Asks the rules of several places at once whether any of them may match."""

    __slots__ = ("_names", "_shapes", "_suffixes")

    def __init__(self, places: Iterable[RuleSet]) -> None:
        asked = tuple(places)
        self._names = frozenset(name for place in asked for name in place.names)
        self._suffixes = tuple(suffix for place in asked for suffix in place.suffixes)
        self._shapes = tuple(place.has_shape for place in asked if place.knows_shapes)

    def may_match(self, path: str, name: str) -> bool:
        """Return false only when `last` is None at every place; takes what it takes."""
        if name in self._names or name.endswith(self._suffixes):
            return True
        return bool(self._shapes) and any(has(path, name) for has in self._shapes)


def _question(pattern: Pattern) -> _Question:
    """Return the cheapest function that is true for what the pattern matches."""
    if pattern.literal is not None:
        return pattern.literal.__eq__
    if pattern.suffix is not None:
        return methodcaller("endswith", pattern.suffix)
    return re.compile(pattern.regex(), re.DOTALL).fullmatch


def _any_of(patterns: list[Pattern]) -> _Question:
    if not patterns:
        return _never
    either = "|".join(f"(?:{pattern.regex()})" for pattern in patterns)
    return re.compile(either, re.DOTALL).fullmatch


def _never(_: str) -> bool:
    return False
