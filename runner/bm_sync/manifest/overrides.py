"""Variables that this machine or this command line sets: `BM_SYNC_VAR_NAME`, `--set NAME=VALUE`.

They are one more file on top: the environment over every file, the command line over that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AbstractMapping

from bm_sync.errors import UsageError
from bm_sync.manifest.expand import VARIABLE_PREFIX
from bm_sync.manifest.nodes import Entry, Mapping, Scalar, Spot
from bm_sync.manifest.shown import did_you_mean, quoted

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?=[}:])")
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
    return _USE.findall(text)


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
