"""Holds what a base file has locked: files above it may tighten it, never loosen it. Pure.

What a file locks is what it says together with the files below it. Compared are the policies it
declares, and the policy that each project gets in the end with the one it gets from the base: of a
project that the base does not know, the policy of its name there, else that of its defaults.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator

from msgspec import Struct

from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report, TooManyProblemsError
from bm_sync.manifest.expand import expand
from bm_sync.manifest.layers import Layer, together
from bm_sync.manifest.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence, Spot
from bm_sync.manifest.overrides import names_used
from bm_sync.manifest.policies import Policies
from bm_sync.manifest.shown import escaped
from bm_sync.manifest.slips import tell_slips
from bm_sync.manifest.values import Surroundings, group
from bm_sync.model.policy import Limit, Policy, Winner
from bm_sync.paths import schema_file
from bm_sync.structs import replace


def check_locks(layers: tuple[Layer, ...], whole: Mapping, around: Surroundings) -> None:
    """Report every value of the whole that is looser than a file below has locked it."""
    final = Policies(group(whole, "policies"), _silent(around))
    for number, layer in enumerate(layers, start=1):
        said = layer.tree.get("locked")
        items = said.items if isinstance(said, Sequence) else ()
        groups = [str(i.value) for i in items if isinstance(i, Scalar) and i.value in _RULES]
        if groups:
            base = _base(layers[:number], around)
            names = frozenset(each.name for each in layers[:number])
            _Lock(layer, groups, names, base, whole, final, around).check()


def _base(layers: tuple[Layer, ...], around: Surroundings) -> Mapping:
    """Return what the files up to a locking one say by themselves; their slips are told elsewhere.

    What environment and command line set is above every file.
    """
    report = Report(around.file)
    try:
        tree = expand(together(layers, report), around.env, report)
        return tell_slips(tree, report, json.loads(schema_file("manifest").read_text("utf-8")))
    except TooManyProblemsError:
        return Mapping()


def _silent(around: Surroundings) -> Surroundings:
    return replace(around, report=Report(around.file))


class _Rule(Struct, frozen=True):
    """A key that may be locked: what loosens it, and what may be written instead."""

    group: str
    key: str
    loosens: Callable[[Policy, Policy], bool]
    hint: str

    def found(self, keys: Mapping) -> tuple[Spot, Node] | None:
        """Return where a policy says this key and what it says there."""
        entry = group(keys, self.group).entries.get(self.key)
        return None if entry is None else (entry.key.spot, entry.value)


class _Lock(Struct, frozen=True):
    """What one file locks: `groups`, as `base` says them; `names` are the files of the base."""

    layer: Layer
    groups: list[str]
    names: frozenset[str]
    base: Mapping
    whole: Mapping
    final: Policies
    around: Surroundings

    def check(self) -> None:
        before = Policies(group(self.base, "policies"), _silent(self.around))
        default = group(self.base, "defaults").get("policy")
        for name in before.declared.entries:
            said = Scalar(name, name, self.whole.spot)
            if name in self.final.declared.entries:
                self._compare(before, (said, None), (said, None), [])
        known = group(self.base, "projects").entries
        now_default = group(self.whole, "defaults").entries.get("policy")
        for name, entry in group(self.whole, "projects").entries.items():
            if not isinstance(entry.value, Mapping):
                continue
            own = entry.value.entries.get("policy")
            floor = self._floor(own.value if own else None, before)
            if name in known:
                floor = group(group(self.base, "projects"), name).get("policy")
            now = (own.value if own else None, now_default.value if now_default else None)
            blamed = [e.key.spot for e in (own, now_default) if e is not None]
            self._compare(before, (floor, default), now, [*blamed, entry.key.spot])

    def _floor(self, node: Node | None, before: Policies) -> Node | None:
        """Return the base's policy that a project of another file begins with; None: the default.

        That is the one it names, or the first that this one extends, that the base declares.
        """
        seen: set[str] = set()
        while True:
            said = node.get("extends") if isinstance(node, Mapping) else node
            if not isinstance(said, Scalar) or str(said.value) in seen:
                return None
            name = str(said.value)
            if name in before.declared.entries:
                return said
            seen.add(name)
            node = self.final.declared.get(name)

    def _compare(
        self,
        before: Policies,
        floor: tuple[Node | None, Node | None],
        now: tuple[Node | None, Node | None],
        blamed: list[Spot],
    ) -> None:
        then, is_ = before.used(*floor), self.final.used(*now)
        said, meant = self.final.keys(*now), before.keys(*floor)
        named = [e.key.spot for n in now if (e := self._declared(n)) is not None]
        for name in self.groups:
            for rule in _RULES[name]:
                if rule.loosens(is_, then):
                    self._tell(rule, rule.found(said), rule.found(meant), [*blamed, *named])

    def _declared(self, node: Node | None) -> Entry | None:
        return (
            self.final.declared.entries.get(str(node.value)) if isinstance(node, Scalar) else None
        )

    def _tell(
        self,
        rule: _Rule,
        found: tuple[Spot, Node] | None,
        meant: tuple[Spot, Node] | None,
        blamed: list[Spot],
    ) -> None:
        """Report a looser value where a file above the base says it, or lets it be so."""
        at, through = self._blamed(found, blamed)
        base = "the built-in default" if meant is None else self.around.told(meant[0], at)
        what = f"{rule.group}.{rule.key} is looser{through} than {base}"
        locker = self.layer.tree.entries["locked"].key.spot
        hint = f"{self.around.told(locker, at)} locks {rule.group}: {rule.hint}"
        self.around.report.error(Code.LOCKED, at, what, hint)

    def _blamed(self, found: tuple[Spot, Node] | None, blamed: list[Spot]) -> tuple[Spot, str]:
        spots = [] if found is None else [found[0], *self._variables(found[1])]
        for spot in [*spots, *blamed]:
            if spot.file not in self.names and spot.line:
                return spot, " here"
        outside = next((s for s in spots if not s.line), None)
        at = found[0] if found else blamed[0] if blamed else self.whole.spot
        return at, "" if outside is None else f" through {escaped(outside.file)}"

    def _variables(self, node: Node) -> Iterator[Spot]:
        """Yield where the variables are said that a value uses."""
        match node:
            case Mapping(entries=entries):
                for entry in entries.values():
                    yield from self._variables(entry.value)
            case Scalar(raw=raw):
                known = group(self.whole, "vars").entries
                yield from (known[n].value.spot for n in names_used(raw) if n in known)
            case Sequence() | Broken():
                pass


def lets_more(now: Limit, then: Limit) -> bool:
    """Whether some number of files is let through by `now` that `then` would not let through."""
    if then.count is not None and _most(now) > then.count:
        return True
    if then.percent is None or (now.count is not None and now.count <= then.at_least):
        return False
    if now.percent is None:
        return True
    return now.percent > then.percent or now.at_least > then.at_least


def _most(limit: Limit) -> float:
    """Return the largest number of files that a limit lets through, whatever their total."""
    by_share = math.inf if limit.percent is None or limit.percent > 0 else limit.at_least
    return min(by_share, math.inf if limit.count is None else limit.count)


def _more(now: float | None, then: float | None) -> bool:
    """Whether a bound, None for none, is above another."""
    return (math.inf if now is None else now) > (math.inf if then is None else then)


def _decides_more(now: Policy, then: Policy) -> bool:
    """Whether a winner is named where another was, or none: only both and stop name none."""
    rank = {Winner.BOTH: 1, Winner.STOP: 2}
    mine, theirs = now.conflict.winner, then.conflict.winner
    return mine != theirs and rank.get(mine, 0) <= rank.get(theirs, 0)


_FEWER = "as many files or fewer"
_RULES = {
    "guards": (
        _Rule(
            "guards",
            "max_delete",
            lambda now, then: lets_more(now.guards.max_delete, then.guards.max_delete),
            _FEWER,
        ),
        _Rule(
            "guards",
            "max_overwrite",
            lambda now, then: lets_more(now.guards.max_overwrite, then.guards.max_overwrite),
            _FEWER,
        ),
        _Rule(
            "guards",
            "max_bytes",
            lambda now, then: _more(now.guards.max_bytes, then.guards.max_bytes),
            "as many bytes or fewer",
        ),
        _Rule(
            "guards",
            "empty_side",
            lambda now, then: (now.guards.empty_side, then.guards.empty_side) == ("allow", "stop"),
            "only stop",
        ),
    ),
    "conflict": (
        _Rule("conflict", "winner", _decides_more, "the same, or both, or stop"),
        _Rule(
            "conflict",
            "loser",
            lambda now, then: now.conflict.loser == "trash" and then.conflict.loser == "copy",
            "only copy",
        ),
    ),
    "keep_versions": (
        _Rule(
            "keep_versions",
            "for",
            lambda now, then: _more(then.keep_versions.for_s, now.keep_versions.for_s),
            "as long or longer",
        ),
        _Rule(
            "keep_versions",
            "at_most",
            lambda now, then: _more(then.keep_versions.at_most, now.keep_versions.at_most),
            "as much or more",
        ),
    ),
}
