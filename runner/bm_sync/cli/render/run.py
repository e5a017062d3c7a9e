"""A run as a person reads it: what was done for each project, then everything that was not.

The last screen is enough: each failure stands in it with its cause and a command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bm_sync.cli.render.counts import cells, in_words, moved_bytes, packed, together
from bm_sync.cli.render.files import capped, done_row, done_words
from bm_sync.cli.render.groups import (
    Block,
    clash_lines,
    commands,
    labelled,
    problem_lines,
    several,
    shared_lines,
    stop_lines,
    together_by_cause,
)
from bm_sync.cli.render.text import age, columns, count, duration, escape, lines
from bm_sync.cli.render.view import View
from bm_sync.model.run import MEANINGS, Done, Outcome, ProjectRun, Run, Status

_MOST = 10


def run_text(
    run: Run, view: View, *, files: bool = False, warnings: Sequence[tuple[str, str]] = ()
) -> str:
    """Return the end screen of a run; `files` lists each action, `warnings` are by project."""
    actions = [line for project in run.projects if files for line in _actions(project, view)]
    if view.quiet:
        return lines(labelled(_blocks([p for p in run.projects if not p.fine], view)))
    return lines(
        summary(run.projects, view),
        actions,
        labelled(_blocks(run.projects, view, warnings)),
        _total(run, view),
    )


def record_text(run: Run, view: View) -> str:
    """Return everything a run did: the end screen and each action with its outcome."""
    head = (
        f"run {run.id}: bm-sync {escape(run.command)} on {escape(run.host)},"
        f" {age(run.started, view.now)}"
    )
    facts = [head, f"manifest {escape(run.manifest)}"]
    if run.log:
        facts.append(f"log {escape(run.log)}")
    if not run.ended:
        facts.append("it did not come to its end; the next apply goes on from what is there")
    return lines(
        facts,
        summary(run.projects, view),
        [line for project in run.projects for line in _actions(project, view)],
        labelled(_blocks(run.projects, view)),
        _total(run, view),
    )


def summary(projects: Sequence[ProjectRun], view: View) -> list[str]:
    """Return one aligned line for each project."""
    counts = packed([cells(project.totals) for project in projects])
    rows = [
        (
            project.project,
            status_words(project.status),
            shown,
            moved_bytes(project.totals),
            duration(project.seconds),
        )
        for project, shown in zip(projects, counts, strict=True)
    ]
    aligned = columns(rows, "<<<>>")
    return [
        view.paint(line, colour) if (colour := _colour(project.status)) else line
        for line, project in zip(aligned, projects, strict=True)
    ]


def status_words(status: Status) -> str:
    """Return how a project ended, in words; what is not mild stands out."""
    return status.means.words if status.means.mild else status.means.words.upper()


def _colour(status: Status) -> str | None:
    if status.good:
        return None
    return "yellow" if status.means.mild else "red"


def _blocks(
    projects: Sequence[ProjectRun], view: View, warnings: Sequence[tuple[str, str]] = ()
) -> list[Block]:
    """Return what is to be said of each project; a cause that several share is told once."""
    shared = together_by_cause([(p.project, _cause_alone(p)) for p in projects])
    blocks: list[Block] = []
    for project in projects:
        names = shared.get(project.project)
        if names is None:
            more = [escape(what) for name, what in warnings if name == project.project]
            said = [*_words(project, view), *more]
        elif names[0] == project.project:
            said = [*_told(project), *shared_lines(names, view)]
        else:
            continue
        if said:
            blocks.append((several(names) if names else project.project, said))
    return blocks


def _cause_alone(project: ProjectRun) -> tuple[str, str | None] | None:
    """Return what failed a project, None where something else is to be said of it, too."""
    more = project.stops or project.clashes or project.problems or project.actions
    return None if more or project.fine or not project.message else (project.message, project.hint)


def _told(project: ProjectRun) -> list[str]:
    return [escape(said) for said in (project.message, project.hint) if said]


def _words(project: ProjectRun, view: View) -> list[str]:
    said = _told(project)
    said += stop_lines(project.project, project.stops, view)
    said += clash_lines(project.project, project.clashes, view, recorded=True)
    said += problem_lines(project.project, project.problems, view)
    said += _undone(project, view)
    return said


_NOT_DONE = {
    Outcome.FAILED: "failed",
    Outcome.DROPPED: "changed while syncing, the next run decides again",
    Outcome.NOT_REACHED: "not reached",
}


def _undone(project: ProjectRun, view: View) -> list[str]:
    said: list[str] = []
    for outcome, words in _NOT_DONE.items():
        missed = [done for done in project.actions if done.outcome is outcome]
        if not missed:
            continue
        said.append(f"{view.paint(count(len(missed), 'action'), 'red')} {words}:")
        shown = missed if view.cap is None else missed[:_MOST]
        said += [f"  {_cause(done)}" for done in shown]
        if len(missed) > len(shown):
            said.append(f"  … and {len(missed) - len(shown):,} more")
    again = project.status.means.again
    if said or (again and view.applies):
        said += commands([("try again", view.again(project.project))])
    return said


def _cause(done: Done) -> str:
    cause = f": {escape(done.detail)}" if done.detail else ""
    word, path = done_words(done)
    return f"{word} {escape(path)}{cause}"


def _actions(project: ProjectRun, view: View) -> list[str]:
    if not project.actions:
        return []
    rows = [done_row(done) for done in project.actions]
    return [view.paint(f"{project.project}:", "bold"), *capped(rows, view.cap)]


def _total(run: Run, view: View) -> list[str]:
    did = in_words(together([project.totals for project in run.projects]), done=True)
    said = [f"{', '.join(did) or 'nothing moved'} in {count(len(run.projects), 'project')}"]
    ended = Counter(project.status.means.counted for project in run.projects)
    words = dict.fromkeys(meaning.counted for meaning in MEANINGS.values())
    said += [f"{ended[counted]} {counted}" for counted in words if ended[counted]]
    more = [f"every action: {view.command('history', run.id)}"] if did else []
    return ["; ".join(said), *more]
