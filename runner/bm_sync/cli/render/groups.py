"""What needs a word beside the counts: stops, conflicts, problems, changed filters, failures.

A plan and a run speak of these in the same sentences.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from bm_sync.cli.render.text import count, escape, left, width
from bm_sync.cli.render.view import View
from bm_sync.model.plan import Clash, Guard, Stop
from bm_sync.model.tree import FilterChange, Problem, ProblemKind

Block = tuple[str, list[str]]
"""A project's name and what is said about it, line by line."""

_FIRST = 3  # names in a list before "and N more"
_PROBLEMS = 10
_POLICY_GUARDS = frozenset(
    {Guard.MAX_DELETE, Guard.MAX_OVERWRITE, Guard.MAX_BYTES, Guard.EMPTY_SIDE}
)


def labelled(blocks: Sequence[Block]) -> list[str]:
    """Return blocks with the project's name before the first line and the rest indented."""
    blocks = [(escape(label), said) for label, said in blocks]
    edge = max((width(label) for label, _ in blocks), default=0) + 2
    return [
        (left(f"{label}:", edge) if number == 0 else " " * edge) + line
        for label, said in blocks
        for number, line in enumerate(said)
    ]


def some(paths: Sequence[str], first: int = _FIRST) -> str:
    """Return the first paths and how many more there are."""
    shown = ", ".join(escape(path) for path in paths[:first])
    rest = len(paths) - first
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def commands(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return `what: command` lines with the commands in one column."""
    pairs = list(pairs)
    edge = max((len(what) for what, _ in pairs), default=0) + 2
    return [f"{what + ':':{edge}} {command}" for what, command in pairs]


def together_by_cause(
    causes: Sequence[tuple[str, tuple[str, str | None] | None]],
) -> dict[str, tuple[str, ...]]:
    """Return for each project that shares its cause with others all of them, in order.

    A cause that names the project (a path on the remote, say) is the same for each.
    """
    groups: dict[tuple[str, str | None], list[str]] = {}
    for name, cause in causes:
        if cause is not None:
            what, hint = cause
            named = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "\0", what)
            groups.setdefault((named, hint), []).append(name)
    shared = [tuple(names) for names in groups.values() if len(names) > 1]
    return {name: names for names in shared for name in names}


def several(names: Sequence[str]) -> str:
    """Return the label of several projects."""
    return count(len(names), "project")


def told_once(said: Sequence[Block]) -> list[Block]:
    """Return blocks of which those that say the same are one, with the names of all."""
    shared = together_by_cause([(name, ("\0".join(lines), None)) for name, lines in said])
    blocks: list[Block] = []
    for name, lines in said:
        names = shared.get(name)
        if names is None:
            blocks.append((name, lines))
        elif names[0] == name:
            blocks.append((several(names), [*lines, some(names)]))
    return blocks


def shared_lines(names: Sequence[str], view: View) -> list[str]:
    """Return which projects have a cause in common, and the command that tries them again."""
    said = [some(names)]
    if view.applies:
        few = names if len(names) <= _FIRST else ()
        said += commands([("try again", view.command("apply", *few))])
    return said


def stop_lines(project: str, stops: Sequence[Stop], view: View) -> list[str]:
    """Return what stopped a project, and the commands that go on; one accepts all its stops."""
    said = [line for stop in stops for line in _stop(stop, view)]
    return said + commands(_ways_on(project, stops, view))


def _stop(stop: Stop, view: View) -> list[str]:
    said_in = escape(str(stop.origin))
    by = f" by {stop.guard.value} ({said_in})" if stop.guard in _POLICY_GUARDS else ""
    said = [f"{view.paint('stopped', 'red')}{by}: {escape(stop.what)}"]
    if stop.paths:
        said.append(where(stop.paths))
    if stop.hint:
        said.append(escape(stop.hint))
    return said


def where(paths: Sequence[str]) -> str:
    """Return how many paths lie under which folder, and the first ones."""
    folders = Counter(path.split("/", 1)[0] + "/" if "/" in path else "" for path in paths)
    top = [
        f"{number:,} under {escape(folder)}" if folder else f"{number:,} at the top"
        for folder, number in folders.most_common(_FIRST)
    ]
    rest = len(folders) - len(top)
    said = ", ".join(top) + (f", more in {count(rest, 'other folder')}" if rest else "")
    return f"{said}, first {', '.join(escape(path) for path in paths[:2])}"


def _ways_on(project: str, stops: Sequence[Stop], view: View) -> list[tuple[str, str]]:
    ways = []
    deletes = [stop for stop in stops if stop.accept and stop.accept.startswith("delete=")]
    if deletes and len(deletes) == len(stops) and view.applies:
        ways.append(("keep them", view.command("apply", project, "--keep-deleted")))
    accepts = list(dict.fromkeys(stop.accept for stop in stops if stop.accept))
    if accepts and all(stop.accept for stop in stops):
        let_go = len(deletes) == len(stops)
        accept = view.again(project, "--accept", ",".join(accepts))
        ways.append(("let these go" if let_go else "let this through", accept))
    return ways


def clash_lines(project: str, clashes: Sequence[Clash], view: View, *, recorded: bool) -> list[str]:
    """Return the conflicts of a project, those that are told alike together.

    Only a run records a conflict, so that `bm-sync conflicts` knows it.
    """
    groups: dict[tuple[bool, str], list[str]] = {}
    for clash in clashes:
        groups.setdefault((clash.winner is None, clash.what), []).append(clash.path)
    said = [_clashes(paths, what, view) for (_, what), paths in groups.items()]
    if any(waits for waits, _ in groups):
        what = "what to do" if recorded else "what to do, after an apply"
        said += commands([(what, view.command("conflicts", project))])
    return said


def _clashes(paths: Sequence[str], what: str, view: View) -> str:
    """Return `2 conflicts, changed on both sides: a.md, b.md. The newer version ...`."""
    number = view.paint(count(len(paths), "conflict"), "yellow")
    cause, _, outcome = escape(what).partition("; ")
    said = f"{number}, {cause}: {some(paths)}"
    return f"{said}. {outcome[0].upper()}{outcome[1:]}." if outcome else said


def problem_lines(project: str, problems: Sequence[Problem], view: View) -> list[str]:
    """Return the paths that are left alone on both sides, each with its reason."""
    if not problems:
        return []
    number = view.paint(count(len(problems), "path"), "yellow")
    shown = problems if view.cap is None else problems[:_PROBLEMS]
    said = [f"{number} left alone on both sides:"]
    said += [
        f"  {problem.side.value}: {escape(problem.path)}: {escape(problem.what)}"
        for problem in shown
    ]
    rest = len(problems) - len(shown)
    said += [f"  … and {rest:,} more (--all-files)"] if rest else []
    away = sorted({p.path for p in problems if p.kind is ProblemKind.DEVICE})
    if away:
        words = [word for path in away for word in ("--accept", f"device={path}")]
        said += commands([("let this through", view.again(project, *words))])
    if view.applies and any(p.kind is ProblemKind.UNDELETABLE for p in problems):
        said.append("delete there what is not wanted any more, by whatever else reaches it, or")
        said += commands([("bring it back", view.command("apply", project, "--keep-deleted"))])
    return said


def filter_lines(project: str, change: FilterChange, view: View) -> list[str]:
    """Return what a change of the filters lets in and takes out of the set of a project."""
    said = []
    first = _FIRST if view.cap is not None else max(len(change.enters), len(change.leaves))
    if change.enters:
        number = count(len(change.enters), "path enters", "paths enter")
        said.append(f"filters changed: {number} the set: {some(change.enters, first)}")
    if change.leaves:
        number = count(len(change.leaves), "path leaves", "paths leave")
        gone = f"filters changed: {number} the set, untouched on both sides"
        said.append(f"{gone}: {some(change.leaves, first)}")
        look = view.command("prune", "--ignored", project, "--dry-run")
        said += commands([("which of them lie on the remote", look)])
    return said
