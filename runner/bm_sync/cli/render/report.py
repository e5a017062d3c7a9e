"""What status, check, doctor, reset and why say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bm_sync.cli.render.groups import (
    Block,
    commands,
    labelled,
    problem_lines,
    several,
    some,
    told_once,
)
from bm_sync.cli.render.run import status_words
from bm_sync.cli.render.text import age, columns, count, escape, lines, size
from bm_sync.cli.render.view import View
from bm_sync.model.config import Placement
from bm_sync.model.report import (
    Finding,
    Health,
    ProjectCheck,
    ProjectStatus,
    ResetReport,
    Why,
)
from bm_sync.model.run import Status

_HEADS = (
    *("PROJECT", "STATE", "LAST SYNC", "LAST RUN", "RESULT"),
    *("CONFLICTS", "FILES", "SIZE", "LOCAL", "REMOTE"),
)

_SHORT = 8  # digits of a key that tell projects apart


def status_text(
    rows: Sequence[ProjectStatus], view: View, *, late: Sequence[ProjectStatus] = ()
) -> str:
    """Return the table of all projects as last seen, and which of them are overdue."""
    if not rows:
        return "no project is declared\n"
    overdue = _overdue(late, view)
    if view.quiet and late:
        return lines(overdue)
    total = _status_total(rows)
    if view.quiet:
        return lines(labelled(told_once([_in_words(row) for row in rows if failing(row)])))
    rows = sorted(rows, key=_rank)
    table = columns([_HEADS, *(_status_row(row, view) for row in rows)], "<<<<<>>><<")
    said: list[Block] = [
        (row.project, [escape(said)])
        for row in rows
        for said in (row.message, _elsewhere(row))
        if said is not None
    ]
    ways = [
        (f"forget what was {row.project}", view.command("reset", "--key", row.key[:_SHORT]))
        for row in rows
        if row.placement is None and row.key is not None
    ]
    if any(row.conflicts for row in rows):
        ways.append(("what to do about conflicts", view.command("conflicts")))
    head = [view.paint(table[0], "dim"), *table[1:]]
    return lines(head, labelled(told_once(said)), overdue, commands(ways), [total])


def _in_words(row: ProjectStatus) -> Block:
    """Return how the last run of a project ended, and why."""
    assert row.result is not None  # noqa: S101 - a run left work
    word = status_words(Status(row.result))
    return row.project, [f"{word}: {escape(row.message)}" if row.message else word]


def _overdue(late: Sequence[ProjectStatus], view: View) -> list[str]:
    """Return since when projects are not in sync, those of one age in one line."""
    ages: dict[str, list[str]] = {}
    for row in late:
        ages.setdefault(since_text(row, view), []).append(row.project)
    return [
        f"{names[0] if len(names) == 1 else several(names)} {view.paint(_of(names, age), 'red')}"
        for age, names in ages.items()
    ]


def _of(names: Sequence[str], age: str) -> str:
    if len(names) == 1:
        return age
    return f"{age.replace('was', 'were', 1)}: {some(names)}"


def failing(row: ProjectStatus) -> bool:
    """Return whether the last run of a project left something to be done by a person."""
    if row.result is None or row.elsewhere is not None or row.placement is None:
        return False
    status = Status(row.result)
    return not (status.good or status.idle)


def _rank(row: ProjectStatus) -> int:
    """Return where a row stands: trouble first, what is well after it, others' projects last."""
    if row.placement is None or row.elsewhere is not None:
        return 4
    if row.result is None:
        return 2
    status = Status(row.result)
    return 0 if status.bad else 3 if status.good else 1


def _status_total(rows: Sequence[ProjectStatus]) -> str:
    """Return `300 projects: 298 in sync, 2 failed`, trouble first."""
    mine = [row for row in rows if row.placement is not None and row.elsewhere is None]
    words = Counter(_result(row) for row in sorted(mine, key=_rank))
    said = ", ".join(f"{number:,} {word}" for word, number in words.items())
    other = len(rows) - len(mine)
    ends = f"; {other:,} undeclared or of other machines" if other else ""
    return f"{count(len(mine), 'project')}{': ' + said if said else ''}{ends}"


def _result(row: ProjectStatus) -> str:
    if row.result is None:
        alone = row.placement in (Placement.CLOUD_ONLY, Placement.LOCAL_ONLY)
        return str(row.placement) if alone else "never synced"
    return Status(row.result).means.counted


def since_text(row: ProjectStatus, view: View) -> str:
    """Return for how long a project has not been in sync."""
    if row.converged is None:
        return "was never in sync"
    return f"was last in sync {age(row.converged, view.now)}"


def _status_row(row: ProjectStatus, view: View) -> tuple[str, ...]:
    seen = row.result is not None
    return (
        row.project,
        _state(row),
        age(row.converged, view.now) if row.converged else "never",
        age(row.last_time, view.now) if row.last_time else "never",
        status_words(Status(row.result)) if row.result else "-",
        str(row.conflicts) if row.conflicts else "-",
        f"{row.files:,}" if seen else "-",
        size(row.bytes) if seen else "-",
        escape(row.local or "-"),
        escape(row.remote or "-"),
    )


def _state(row: ProjectStatus) -> str:
    if row.elsewhere:
        return "elsewhere"
    if row.placement is None:
        return "undeclared"
    new = row.placement is Placement.SYNCED and row.converged is None
    return "new" if new else row.placement.value


def _elsewhere(row: ProjectStatus) -> str | None:
    return None if row.elsewhere is None else f"not for this machine: {row.elsewhere}"


def check_text(checks: Sequence[ProjectCheck], view: View) -> str:
    """Return one line for each project, then every difference."""
    rows = [
        (
            check.project,
            _check_words(check),
            f"{check.compared:,} of {count(check.files, 'file')} compared",
            size(check.bytes),
        )
        for check in checks
    ]
    blocks = [(check.project, said) for check in checks if (said := _check_lines(check, view))]
    told = labelled(told_once(blocks))
    return lines(told) if view.quiet else lines(columns(rows, "<<>>"), told, [_check_total(checks)])


def _check_words(check: ProjectCheck) -> str:
    if check.failure:
        return "FAILED"
    number = len(check.differences)
    return count(number, "difference") if number else "equal"


def _check_lines(check: ProjectCheck, view: View) -> list[str]:
    said = [escape(check.failure)] if check.failure else []
    said += [escape(check.hint)] if check.hint else []
    shown = check.differences if view.cap is None else check.differences[: view.cap]
    rows = [
        (escape(difference.what), escape(difference.path), escape(difference.then))
        for difference in shown
    ]
    said += [line.rstrip() for line in columns(rows, "<<<")]
    if len(check.differences) > len(shown):
        said.append(f"… and {len(check.differences) - len(shown):,} more (--all-files)")
    said += problem_lines(check.project, check.problems, view)
    if check.differences:
        said += commands([("what apply would do", view.command("plan", check.project))])
        if not all(difference.then for difference in check.differences):
            said.append("one that no apply sees needs `compare: full` in the policy")
    return said


def _check_total(checks: Sequence[ProjectCheck]) -> str:
    done = [check for check in checks if not check.failure]
    missed = f"{count(len(checks) - len(done), 'project')} not compared"
    if checks and not done:
        return missed
    compared = count(sum(check.compared for check in done), "file")
    number = sum(len(check.differences) for check in done)
    found = count(number, "difference") if number else "no difference"
    said = f"{compared} compared by content in {count(len(done), 'project')}: {found}"
    return said if len(done) == len(checks) else f"{said}; {missed}"


def doctor_text(findings: Sequence[Finding], view: View) -> str:
    """Return a line for each finding; the hints below it."""
    if view.quiet:
        findings = [finding for finding in findings if finding.health is not Health.OK]
    words = {Health.OK: "ok", Health.WARNING: "WARNING", Health.FAULT: "FAULT"}
    colours = {Health.OK: "green", Health.WARNING: "yellow", Health.FAULT: "red"}
    edge = max(map(len, words.values()))
    rows = columns([(finding.subject, escape(finding.what)) for finding in findings], "<<")
    said = []
    for finding, row in zip(findings, rows, strict=True):
        word = words[finding.health]
        said.append(view.paint(word, colours[finding.health]) + " " * (edge + 2 - len(word)) + row)
        if finding.hint:
            said.append(" " * (edge + 2) + escape(finding.hint))
    faults = sum(1 for finding in findings if finding.health is Health.FAULT)
    end = [] if view.quiet else [count(faults, "fault") if faults else "no fault found"]
    return lines(said, end)


def reset_text(report: ResetReport) -> str:
    """Return what was forgotten and what comes next."""
    if not report.known:
        first = f"{report.project}: nothing was remembered"
    else:
        first = (
            f"{report.project}: forgot what both sides agreed on ({count(report.files, 'file')})"
        )
    return f"{first}\n{escape(report.next_run)}\n"


def why_text(why: Why, view: View) -> str:
    """Return why a path is synced or not, with the rule, where it stands, what was done to it."""
    said = [f"{why.project}: {escape(why.path)}: {escape(why.what)}"]
    if why.then:
        said.append(f"  {why.then}")
    if why.last is not None:
        last = why.last
        side = f" on the {last.side} side" if last.side is not None else ""
        ended = "" if last.outcome == "done" else f" ({last.outcome})"
        said.append(f"  last: {last.kind}{side}{ended}, {age(last.time, view.now)}, run {last.run}")
    if why.pattern is not None:
        place = f" ({escape(str(why.origin))})" if why.origin else ""
        said.append(f"  rule {escape(why.pattern)!r}{place}")
    return lines(said)
