"""Puts variables in: `${NAME}`, `${NAME:-default}`, and `$$` for a dollar.

A name is looked up in the manifest's `vars`, then in the environment. Nothing is put into keys.

Variables that this machine or this command line sets: `BM_SYNC_VAR_NAME`, `--set NAME=VALUE`.

They are one more file on top: the environment over every file, the command line over that.

Tells in which texts of a manifest no variables are put in when it is read. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AbstractMapping

from msgspec import Struct, field

from bm_sync.errors import UsageError
from bm_sync.manifest.diagnostic import Code, Report
from bm_sync.manifest.nodes import Broken, Entry, Mapping, Node, Scalar, Sequence, Spot
from bm_sync.manifest.shown import did_you_mean, escaped, quoted
from bm_sync.masking import is_public
from bm_sync.structs import replace


def verbatim(root: Node) -> frozenset[int]:
    """Return the ids of the texts in which variables are not put in when the manifest is read.

    Hooks, in which the dollar belongs to the shell, and the bodies of notices, whose facts are
    known at the end of a run.
    """
    if not isinstance(root, Mapping):
        return frozenset()
    projects = root.get("projects")
    inside = projects.entries.values() if isinstance(projects, Mapping) else ()
    owners = [root, root.get("defaults"), *(entry.value for entry in inside)]
    nodes = [owner.get("hooks") for owner in owners if isinstance(owner, Mapping)]
    targets = root.get("notify")
    items = targets.items if isinstance(targets, Sequence) else ()
    nodes += [item.get("body") for item in items if isinstance(item, Mapping)]
    return frozenset(id(scalar) for node in nodes if node is not None for scalar in _scalars(node))


def _scalars(node: Node) -> Iterator[Scalar]:
    todo = [node]
    while todo:
        match todo.pop():
            case Scalar() as scalar:
                yield scalar
            case Sequence(items=items):
                todo.extend(items)
            case Mapping(entries=entries):
                todo.extend(entry.value for entry in entries.values())
            case _:
                pass


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


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?=[}:])")
_NOWHERE = Spot(0, 0, 0, 0)


def parse(word: str) -> tuple[str, str]:
    """Return the name and the value of `NAME=VALUE`; raises UsageError."""
    name, equals, value = word.partition("=")
    if not equals or not _NAME.fullmatch(name):
        hint = "write --set NAME=VALUE; a name has letters, digits and _"
        raise UsageError(f"--set: {quoted(word)} sets no variable", hint=hint)
    return name, value


def overriding(
    env: AbstractMapping[str, str],
    sets: tuple[tuple[str, str], ...],
    trees: Iterable[Mapping],
    texts: Iterable[str],
) -> Mapping | None:
    """Return what is set as a manifest of `vars` alone, None when the files use none of it.

    Raises UsageError when `--set` names a variable that no file declares or uses.
    """
    declared = {name for tree in trees for name in _declared(tree)}
    known = declared | {name for text in texts for name in names_used(text)}
    for name, _ in sets:
        if name not in known:
            hint = did_you_mean(name, known) or "the manifest's vars are what can be set"
            raise UsageError(f"--set: the manifest has no variable {quoted(name)}", hint=hint)
    said = {name: entry for name, entry in _from_env(env) if name in known}
    said |= {name: _entry(name, value, f"--set {name}") for name, value in sets}
    if not said:
        return None
    at = _NOWHERE
    inside = Mapping(said, at)
    return Mapping({"vars": Entry(Scalar("vars", "vars", at), inside)}, at)


def names_used(text: str) -> list[str]:
    """Return the variables that a text uses."""
    return _NAMED.findall(text)


def values(tree: Mapping | None) -> dict[str, str]:
    """Return the names and values of `overriding`."""
    inside = None if tree is None else tree.get("vars")
    entries = inside.entries if isinstance(inside, Mapping) else {}
    return {n: e.value.raw for n, e in entries.items() if isinstance(e.value, Scalar)}


def _declared(tree: Mapping) -> Iterable[str]:
    variables = tree.get("vars")
    return variables.entries if isinstance(variables, Mapping) else ()


def _from_env(env: AbstractMapping[str, str]) -> Iterator[tuple[str, Entry]]:
    for variable in sorted(env):
        name = variable.removeprefix(VARIABLE_PREFIX)
        if name != variable and _NAME.fullmatch(name):
            yield name, _entry(name, env[variable], variable)


def _entry(name: str, value: str, said_by: str) -> Entry:
    """Return a variable; a dollar in its value is a dollar."""
    spot = _NOWHERE._replace(file=said_by)
    return Entry(Scalar(name, name, spot), Scalar(value.replace("$", "$$"), value, spot, None))
