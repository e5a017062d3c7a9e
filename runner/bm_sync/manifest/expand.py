"""Puts variables in: `${NAME}`, `${NAME:-default}`, and `$$` for a dollar.

A name is looked up in the manifest's `vars`, then in the environment. Nothing is put into keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as AbstractMapping

from msgspec import Struct, field

from bm_sync.manifest.codes import Code
from bm_sync.manifest.diagnostic import Report
from bm_sync.manifest.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence, Spot
from bm_sync.manifest.shown import did_you_mean, escaped, quoted
from bm_sync.manifest.verbatim import verbatim
from bm_sync.masking import is_public
from bm_sync.structs import replace

VARIABLE_PREFIX = "BM_SYNC_VAR_"  # an environment variable of this name and NAME sets `vars.NAME`
MAX_DEPTH = 50
MAX_LENGTH = 100_000

_USE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<body>[^}]*)(?P<end>\}?))", re.DOTALL)
_BODY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)


def expand(root: Node, env: AbstractMapping[str, str], report: Report) -> Node:
    """Return the nodes with variables put in; text that cannot be completed is `Broken`."""
    variables = root.get("vars") if isinstance(root, Mapping) else None
    entries = variables.entries if isinstance(variables, Mapping) else {}
    nobody_knows = variables is not None and not isinstance(variables, Mapping)
    return _Expander(entries, env, report, verbatim(root), nobody_knows).node(root)


class _Expander(Struct):
    entries: AbstractMapping[str, Entry]
    env: AbstractMapping[str, str]
    report: Report
    verbatim: frozenset[int] = frozenset()
    nobody_knows: bool = False
    """Whether `vars` are told as a slip themselves, so that missing ones are none."""
    done: dict[str, Node] = field(default_factory=dict)
    trail: list[str] = field(default_factory=list)

    def node(self, node: Node) -> Node:
        match node:
            case Scalar():
                return self._scalar(node)
            case Sequence():
                return Sequence(tuple([self.node(item) for item in node.items]), node.spot)
            case Mapping():
                if node.entries is self.entries:
                    inside = {
                        name: Entry(e.key, self._var(name)) for name, e in node.entries.items()
                    }
                else:
                    inside = {n: Entry(e.key, self.node(e.value)) for n, e in node.entries.items()}
                return Mapping(inside, node.spot)
            case Broken():
                return node

    def _var(self, name: str) -> Node:
        """Return a variable's value, worked out once."""
        if name not in self.done:
            self.trail.append(name)
            self.done[name] = self.node(self.entries[name].value)
            self.trail.pop()
        return self.done[name]

    def _scalar(self, scalar: Scalar) -> Node:
        if not isinstance(scalar.value, str) or "$" not in scalar.value:
            return scalar
        if id(scalar) in self.verbatim:
            return scalar
        parts: list[str] = []
        end = 0
        length = 0
        good = True
        for use in _USE.finditer(scalar.value):
            parts.append(scalar.value[end : use.start()])
            end = use.end()
            found = "$" if use["dollar"] else self._use(use, scalar)
            if found is None:
                good = False
                continue
            parts.append(found)
            length += len(found)
            if length > MAX_LENGTH:
                what = f"the text would be longer than {MAX_LENGTH} characters"
                self.report.error(Code.TOO_MUCH, scalar.spot, what)
                return Broken(scalar.spot)
        parts.append(scalar.value[end:])
        return replace(scalar, value="".join(parts)) if good else Broken(scalar.spot)

    def _use(self, use: re.Match[str], scalar: Scalar) -> str | None:
        """Return what stands for one `${…}`; None when it cannot be told (reported)."""
        spot = _inside(scalar, use)
        body = _BODY.fullmatch(use["body"]) if use["end"] else None
        if body is None:
            what = f"{quoted(use[0])} is not a variable"
            hint = "write ${NAME} or ${NAME:-default}, and $$ for a dollar"
            self.report.error(Code.VARIABLE, spot, what, hint)
            return None
        return self._look_up(body, spot)

    def _look_up(self, body: re.Match[str], spot: Spot) -> str | None:
        name, default = body["name"], body["default"]
        if name in self.entries:
            if name in self.trail:
                self._refuse_cycle(name, spot)
                return None
            if len(self.trail) >= MAX_DEPTH:
                what = f"variables use each other more than {MAX_DEPTH} deep"
                self.report.error(Code.TOO_MUCH, spot, what)
                return None
            value = self._var(name)
            return (
                value.value if isinstance(value, Scalar) and isinstance(value.value, str) else None
            )
        found = self.env.get(name)
        if found is not None and (found or default is None):
            if not is_public(name, found):
                self.report.veil(found, f"${{{name}}}")
            return found
        if default is not None or self.nobody_knows:
            return f"${{{name}}}" if default is None else default
        hint = did_you_mean(name, [*self.entries, *self.env]) or (
            f"set it, declare it in vars, or write ${{{name}:-default}}"
        )
        self.report.error(Code.VARIABLE, spot, f"the variable {quoted(name)} is not set", hint)
        return None

    def _refuse_cycle(self, name: str, spot: Spot) -> None:
        ring = [*self.trail[self.trail.index(name) :], name]
        what = f"variables use each other in a circle: {escaped(' -> '.join(ring))}"
        self.report.error(Code.VARIABLE_CYCLE, spot, what)


def _inside(scalar: Scalar, use: re.Match[str]) -> Spot:
    """Return where a part of a text stands; the whole text when escapes or folds hide it."""
    spot = scalar.spot
    if scalar.quote is None or spot.line != spot.end_line:
        return spot
    if spot.end_column - spot.column != len(scalar.raw) + 2 * scalar.quote:
        return spot
    begin = spot.column + scalar.quote + use.start()
    return Spot(spot.line, begin, spot.line, begin + len(use[0]), spot.file)
