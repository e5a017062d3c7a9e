"""Open conflicts as a person reads them, both versions of one, and what differs."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from bm_sync.cli.render.groups import commands
from bm_sync.cli.render.text import age, count, escape, lines, size
from bm_sync.cli.render.view import View
from bm_sync.model.report import OpenConflict, Sides
from bm_sync.model.tree import Side


def conflicts_text(conflicts: Sequence[OpenConflict], here: Collection[str], view: View) -> str:
    """Return every open conflict with the commands that settle it.

    `here` are the declared projects that have two sides.
    """
    if not conflicts:
        return "no conflict is open\n"
    blocks = [_conflict(conflict, view, is_here=conflict.project in here) for conflict in conflicts]
    return lines(*blocks, [f"{count(len(conflicts), 'conflict')} open"])


def _conflict(conflict: OpenConflict, view: View, *, is_here: bool) -> list[str]:
    said = _head(conflict, view)
    if not is_here:
        return [*said, "  the project has no folder here"]
    return said + [f"  {line}" for line in commands(_ways(conflict, view))]


def _head(conflict: OpenConflict, view: View) -> list[str]:
    name = view.paint(f"{conflict.project}: {escape(conflict.path)}", "bold")
    return [name, f"  {escape(conflict.what)}, {age(conflict.since, view.now)}"]


def _ways(conflict: OpenConflict, view: View) -> list[tuple[str, str]]:
    name = f"{conflict.project}:{conflict.path}"

    def keep(which: str) -> str:
        return view.command("conflicts", "resolve", name, "--keep", which)

    ways = [("compare", view.command("conflicts", "show", name))]
    if conflict.kept is None:
        ways += [("keep what is here", keep("local")), ("keep the remote's", keep("remote"))]
    else:
        named = conflict.winner or Side.REMOTE
        ways += [("keep what has the name", keep(named)), ("keep the other", keep(named.other))]
    return [*ways, ("keep both", keep("both"))]


def sides_text(sides: Sides, view: View) -> str:
    """Return both versions of a conflict, and as far as they are text what differs."""
    versions = {Side.LOCAL: sides.local, Side.REMOTE: sides.remote}
    facts = [f"  {_fact(side, data, sides)}" for side, data in versions.items()]
    head = _head(sides.conflict, view)
    ways = commands(_ways(sides.conflict, view)[1:])
    return lines([*head, *facts], *_differences(sides, view), ways)


def _fact(side: Side, data: bytes | None, sides: Sides) -> str:
    name = escape(sides.names[side])
    if data is None:
        return f"{side}: {name}: cannot be shown (gone, not readable, or larger than 1 MB)"
    kind = "" if _text(data) is not None else ", not text"
    return f"{side}: {name}: {size(len(data))}{kind}"


def _text(data: bytes | None) -> list[str] | None:
    """Return the lines of a text, None for anything else."""
    if data is None or b"\0" in data:
        return None
    try:
        return data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None


def _differences(sides: Sides, view: View) -> list[list[str]]:
    base, local, remote = _text(sides.base), _text(sides.local), _text(sides.remote)
    if local is None or remote is None:
        return []
    if base is None:
        return [_diff(("local", local), ("remote", remote), view)]
    agreed = ("agreed", base)
    return [_diff(agreed, ("local", local), view), _diff(agreed, ("remote", remote), view)]


def _diff(old: tuple[str, list[str]], new: tuple[str, list[str]], view: View) -> list[str]:
    colours = {"+": "green", "-": "red", "@": "dim"}
    found = difflib.unified_diff(old[1], new[1], old[0], new[0], lineterm="")
    return [_painted(escape(line), colours.get(line[:1]), view) for line in found]


def _painted(line: str, colour: str | None, view: View) -> str:
    return line if colour is None else view.paint(line, colour)
