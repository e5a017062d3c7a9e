"""Builds policies: what extends what, and the value of every key.

Nodes are merged before values are built, so that every guard limit knows the line it comes from.
"""

from __future__ import annotations

from msgspec import Struct, field

from bm_sync.manifest.codes import Code
from bm_sync.manifest.nodes import Broken, Entry, Mapping, Node, Scalar
from bm_sync.manifest.shown import did_you_mean, escaped, listed, quoted
from bm_sync.manifest.values import Surroundings, duration_s, group, is_broken, limit, number, size
from bm_sync.manifest.values import text as text_of
from bm_sync.model.config import (
    BUILT_IN,
    Compare,
    Conflict,
    Direction,
    Engine,
    Guards,
    KeepVersions,
    Lease,
    Limit,
    Limits,
    Loser,
    Mode,
    Origin,
    Policy,
    Retry,
    Verify,
    Winner,
)

_GROUPS = frozenset({"conflict", "guards", "keep_versions", "retry", "limits"})
MAX_DEPTH = 50
BUILT_IN_NAME = "built-in"
INLINE_NAME = "inline"


class Policies(Struct):
    """The policies of a manifest, each worked out once."""

    declared: Mapping
    around: Surroundings
    _merged: dict[str, Mapping] = field(default_factory=dict)
    _built: dict[str, Policy] = field(default_factory=dict)

    def check_all(self) -> None:
        """Work out every policy, used or not, so that all slips are told."""
        for name in self.declared.entries:
            self.named(name)

    def named(self, name: str) -> Policy:
        """Return a declared policy."""
        if name not in self._built:
            self._built[name] = self._build(self._merge_named(name), name)
        return self._built[name]

    def used(self, node: Node | None, default: Node | None) -> Policy:
        """Return the policy of a project that says `node`, where defaults say `default`."""
        chosen = default if node is None else node
        match chosen:
            case Scalar(value=str() as name):
                return self.named(name) if self._is_known(chosen, name) else Policy(BUILT_IN_NAME)
            case Mapping():
                return self._build(self.keys(node, default), INLINE_NAME)
            case _:
                return Policy(BUILT_IN_NAME)

    def keys(self, node: Node | None, default: Node | None) -> Mapping:
        """Return what a project's policy is built from, so that every key knows its place."""
        chosen = default if node is None else node
        match chosen:
            case Scalar(value=str() as name) if name in self.declared.entries:
                return self._merge_named(name)
            case Mapping():
                base = self._base(default) if node is not None else Mapping()
                return self._merge(chosen, base, ())
            case _:
                return Mapping()

    def _base(self, default: Node | None) -> Mapping:
        """Return what a policy written in a project begins with."""
        match default:
            case Scalar(value=str() as name) if name in self.declared.entries:
                return self._merge_named(name)
            case Mapping():
                return self._merge(default, Mapping(), ())
            case _:
                return Mapping()

    def _merge_named(self, name: str, trail: tuple[str, ...] = ()) -> Mapping:
        if name not in self._merged:
            own = group(self.declared, name)
            self._merged[name] = self._merge(own, Mapping(), (*trail, name))
        return self._merged[name]

    def _merge(self, own: Mapping, base: Mapping, trail: tuple[str, ...]) -> Mapping:
        """Return a policy's keys over those it extends, else over `base`."""
        extends = own.get("extends")
        match extends:
            case Scalar(value=str() as name) if self._is_known(extends, name):
                if name in trail:
                    self._cycle(extends, trail, name)
                elif len(trail) >= MAX_DEPTH:
                    what = f"policies extend each other more than {MAX_DEPTH} deep"
                    self.around.report.error(Code.TOO_MUCH, extends.spot, what)
                else:
                    base = self._merge_named(name, trail)
            case _:
                pass
        merged = _over(own, base)
        self._check_direction(own, merged)
        self._check_engine(own, merged)
        return merged

    def _is_known(self, said: Scalar, name: str) -> bool:
        if name in self.declared.entries:
            return True
        hint = did_you_mean(name, self.declared.entries) or known_names(self.declared, "policies")
        self.around.report.error(
            Code.UNKNOWN_NAME, said.spot, f"there is no policy {quoted(name)}", hint
        )
        return False

    def _cycle(self, said: Scalar, trail: tuple[str, ...], name: str) -> None:
        ring = " -> ".join([*trail[trail.index(name) :], name])
        what = f"policies extend each other in a circle: {escaped(ring)}"
        self.around.report.error(Code.EXTENDS_CYCLE, said.spot, what)

    def _check_direction(self, own: Mapping, merged: Mapping) -> None:
        said = own.entries.get("direction")
        mode = merged.get("mode")
        if said is None or is_broken(mode) or is_broken(own.get("extends")):
            return
        if text_of(merged, "mode") != Mode.MIRROR:
            what = "direction is for mode mirror; this policy is " + (
                text_of(merged, "mode") or Mode.TWO_WAY
            )
            hint = "remove it; push goes up and pull goes down by itself"
            self.around.report.error(Code.DIRECTION, said.key.spot, what, hint)

    def _check_engine(self, own: Mapping, merged: Mapping) -> None:
        said = own.entries.get("engine") or own.entries.get("mode")
        mode = merged.get("mode")
        if said is None or is_broken(mode) or is_broken(own.get("extends")):
            return
        one_way = text_of(merged, "mode") or Mode.TWO_WAY
        if text_of(merged, "engine") == Engine.BISYNC and one_way != Mode.TWO_WAY:
            what = f"engine bisync is for mode two-way; this policy is {one_way}"
            hint = "remove it; the other modes have one engine"
            self.around.report.error(Code.ENGINE, said.key.spot, what, hint)

    def _build(self, node: Mapping, name: str) -> Policy:
        return Policy(
            name=name,
            mode=Mode(text_of(node, "mode") or "two-way"),
            direction=Direction(text_of(node, "direction") or "up"),
            conflict=_conflict(group(node, "conflict")),
            compare=Compare(text_of(node, "compare") or "auto"),
            guards=self._guards(group(node, "guards")),
            keep_versions=_keep_versions(group(node, "keep_versions")),
            retry=_retry(group(node, "retry")),
            limits=_limits(group(node, "limits")),
            verify=Verify(text_of(node, "verify") or "checksum"),
            engine=Engine(text_of(node, "engine") or "reconcile"),
            lease=Lease(text_of(node, "lease") or "none"),
        )

    def _guards(self, node: Mapping) -> Guards:
        default = Guards()
        return Guards(
            max_delete=self._limit(node, "max_delete", default.max_delete),
            max_overwrite=self._limit(node, "max_overwrite", default.max_overwrite),
            max_bytes=_size(node, "max_bytes", default.max_bytes),
            max_bytes_origin=self._origin(node, "max_bytes"),
            empty_side="allow" if text_of(node, "empty_side") == "allow" else "stop",
            empty_side_origin=self._origin(node, "empty_side"),
        )

    def _limit(self, node: Mapping, key: str, default: Limit) -> Limit:
        found = node.get(key)
        if isinstance(found, (Mapping, Scalar)):
            return limit(found, self._origin(node, key))
        return default

    def _origin(self, node: Mapping, key: str) -> Origin:
        entry = node.entries.get(key)
        return BUILT_IN if entry is None else self.around.origin(entry.key.spot)


def known_names(declared: Mapping, plural: str) -> str:
    """Return a hint that names what is declared."""
    names = [quoted(name) for name in declared.entries]
    if not names:
        return f"no {plural} are declared"
    most = 9
    return f"{plural} are {listed(names, 'and')}" if len(names) <= most else f"see {plural}"


def _over(own: Mapping, base: Mapping) -> Mapping:
    """Return `own` over `base`; groups of keys are put together key by key."""
    entries = {k: e for k, e in base.entries.items() if k != "extends"}
    for key, entry in own.entries.items():
        below = entries.get(key)
        if key in _GROUPS and below is not None and isinstance(below.value, Mapping):
            if isinstance(entry.value, Mapping):
                both = {**below.value.entries, **entry.value.entries}
                entries[key] = Entry(entry.key, Mapping(both, entry.value.spot))
        elif not isinstance(entry.value, Broken) or below is None:
            entries[key] = entry
    return Mapping(entries, own.spot)


def _conflict(node: Mapping) -> Conflict:
    default = Conflict()
    return Conflict(
        Winner(text_of(node, "winner") or default.winner),
        Loser(text_of(node, "loser") or default.loser),
    )


def _keep_versions(node: Mapping) -> KeepVersions:
    default = KeepVersions()
    return KeepVersions(
        seconds_or_null(node, "for", default.for_s), _size(node, "at_most", default.at_most)
    )


def _retry(node: Mapping) -> Retry:
    default = Retry()
    attempts = number(node, "attempts")
    wait = seconds_or_null(node, "max_wait", default.max_wait_s)
    return Retry(
        default.attempts if attempts is None else int(attempts),
        default.max_wait_s if wait is None else wait,
    )


def _limits(node: Mapping) -> Limits:
    default = Limits()
    transfers, checkers = number(node, "transfers"), number(node, "checkers")
    return Limits(
        bandwidth=_size(node, "bandwidth", default.bandwidth),
        transfers=default.transfers if transfers is None else int(transfers),
        checkers=default.checkers if checkers is None else int(checkers),
        timeout_s=seconds_or_null(node, "timeout", default.timeout_s),
    )


def _size(node: Mapping, key: str, default: int | None) -> int | None:
    """Return a size in bytes; null says that there is no limit."""
    found = text_of(node, key)
    if found is None:
        return None if isinstance(node.get(key), Scalar) else default
    return size(found)


def seconds_or_null(node: Mapping, key: str, default: float | None) -> float | None:
    """Return a duration; null says that there is no limit."""
    found = text_of(node, key)
    if found is None:
        return None if isinstance(node.get(key), Scalar) else default
    return duration_s(found)
