"""Writes and reads the records of runs, within the caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, replace
from typing import Any

from bm_sync.errors import StateError, UsageError
from bm_sync.model.plan import Clash, Stop, Totals
from bm_sync.model.run import Done, Outcome, ProjectRun, Run, Status
from bm_sync.model.tree import Problem, Side
from bm_sync.state import rows
from bm_sync.state.codec import build, flatten

UNFINISHED = -1  # the exit code of a run that has not ended: it still runs, or it was killed

_RUN = "id, command, started, ended, host, manifest, plan_digest, exit, log"
_PROJECT = (
    "id, project, key, status, started, seconds, retries, message, hint, exit, files, bytes, body"
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A project's part of a run, with its two roots as a person reads them (None: unknown).

    `converging`: a run that ended well brought both sides together.
    """

    run: str
    project: ProjectRun
    local: str | None = None
    remote: str | None = None
    converging: bool = True


@dataclass(frozen=True, slots=True)
class _Body:
    """The part of a project's record that no query asks for."""

    totals: Totals = Totals()
    clashes: tuple[Clash, ...] = ()
    problems: tuple[Problem, ...] = ()
    stops: tuple[Stop, ...] = ()


def begin(connection: sqlite3.Connection, run: Run) -> None:
    """Write a run that begins."""
    connection.execute(
        "INSERT INTO runs (id, command, started, host, manifest, plan_digest)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            run.id,
            rows.text_in(run.command),
            run.started,
            rows.text_in(run.host),
            rows.text_in(run.manifest),
            run.plan_digest,
        ),
    )


def end(connection: sqlite3.Connection, run: Run) -> None:
    """Write how a run ended."""
    connection.execute(
        "UPDATE runs SET ended = ?, exit = ?, plan_digest = ?, log = ? WHERE id = ?",
        (run.ended, run.exit, run.plan_digest, rows.text_in(run.log), run.id),
    )


def end_project(connection: sqlite3.Connection, ended: Ended) -> None:
    """Write what a run did to one project, and that it is the last one that saw it."""
    run, project = ended.run, ended.project
    connection.execute(
        "DELETE FROM actions WHERE run_project IN"
        " (SELECT id FROM run_projects WHERE run = ? AND key = ?)",
        (run, project.key),
    )
    written = connection.execute(
        "INSERT OR REPLACE INTO run_projects (run, project, key, status, started, seconds,"
        " retries, message, hint, exit, files, bytes, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run,
            rows.text_in(project.project),
            project.key,
            project.status.value,
            project.started,
            project.seconds,
            project.retries,
            rows.text_in(project.message),
            rows.text_in(project.hint),
            project.exit,
            project.files,
            project.bytes,
            _body_text(project),
        ),
    )
    _put_actions(connection, int(written.lastrowid or 0), project.actions)
    _put_last(connection, ended)


def is_written(connection: sqlite3.Connection, run: str, key: str) -> bool:
    """Return whether the record of a project in a run is there."""
    found = connection.execute(
        "SELECT 1 FROM run_projects WHERE run = ? AND key = ?", (run, key)
    ).fetchone()
    return found is not None


def runs(connection: sqlite3.Connection, limit: int, project: str | None) -> tuple[Run, ...]:
    """Return the newest runs, those of one project if it is named, without actions."""
    where = ""
    values: list[object] = [limit]
    if project is not None:
        where = "WHERE id IN (SELECT run FROM run_projects WHERE project = ?)"
        values = [rows.text_in(project), limit]
    found = connection.execute(
        f"SELECT {_RUN} FROM runs {where} ORDER BY id DESC LIMIT ?",  # noqa: S608 - columns only
        values,
    ).fetchall()
    return tuple(_run(connection, row, project) for row in found)


def run(connection: sqlite3.Connection, name: str) -> Run | None:
    """Return a run with all its actions, by its id or a prefix that only one has.

    Raises UsageError when several have it.
    """
    found = connection.execute(
        f"SELECT {_RUN} FROM runs WHERE substr(id, 1, ?) = ? ORDER BY id DESC",  # noqa: S608 - columns only
        (len(name), name),
    ).fetchall()
    exact = [row for row in found if row[0] == name]
    if not name or not found:
        return None
    if len(found) > 1 and not exact:
        hint = f"the newest of them is {found[0][0]}"
        raise UsageError(f"{len(found)} runs begin with {name!r}", hint=hint)
    return _run(connection, (exact or found)[0], None, with_actions=True)


def _put_actions(
    connection: sqlite3.Connection, run_project: int, actions: tuple[Done, ...]
) -> None:
    connection.executemany(
        "INSERT INTO actions (run_project, n, kind, path, side, size, reason, outcome, detail,"
        " kept) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                run_project,
                n,
                done.kind,
                rows.text_in(done.path),
                None if done.side is None else done.side.value,
                done.size,
                done.reason,
                done.outcome.value,
                rows.text_in(done.detail),
                rows.text_in(done.kept),
            )
            for n, done in enumerate(actions)
        ),
    )


def _put_last(connection: sqlite3.Connection, ended: Ended) -> None:
    project = ended.project
    converged = ended.converging and project.status.good
    connection.execute("INSERT OR IGNORE INTO projects (key) VALUES (?)", (project.key,))
    connection.execute(
        "UPDATE projects SET name = ?, local = coalesce(?, local), remote = coalesce(?, remote),"
        " last_run = ?, last_time = ?, status = ?, converged = coalesce(?, converged),"
        " files = ?, bytes = ?, message = ? WHERE key = ?",
        (
            rows.text_in(project.project),
            rows.text_in(ended.local),
            rows.text_in(ended.remote),
            ended.run,
            project.started,
            project.status.value,
            project.started if converged else None,
            project.files,
            project.bytes,
            rows.text_in(project.message if project.fine else project.reason),
            project.key,
        ),
    )


def _run(
    connection: sqlite3.Connection,
    row: tuple[Any, ...],
    project: str | None,
    *,
    with_actions: bool = False,
) -> Run:
    run_id, command, started, ended, host, manifest, digest, code, log = row
    return Run(
        id=run_id,
        command=rows.text_out(command),
        started=started,
        ended=ended,
        host=rows.text_out(host),
        manifest=rows.text_out(manifest),
        plan_digest=digest,
        exit=int(code),
        projects=_projects(connection, run_id, project, with_actions=with_actions),
        log=rows.maybe_text(log),
    )


def _projects(
    connection: sqlite3.Connection, run_id: str, project: str | None, *, with_actions: bool
) -> tuple[ProjectRun, ...]:
    found = connection.execute(
        f"SELECT {_PROJECT} FROM run_projects WHERE run = ? ORDER BY project",  # noqa: S608 - columns only
        (run_id,),
    ).fetchall()
    ended = [(row[0], _project_run(run_id, row[1:])) for row in found]
    return tuple(
        replace(one, actions=_actions(connection, number)) if with_actions else one
        for number, one in ended
        if project is None or one.project == project
    )


def _project_run(run_id: str, row: tuple[Any, ...]) -> ProjectRun:
    project, key, status, started, seconds, retries, message, hint, code, files, size, text = row
    try:
        body = build(_Body, json.loads(text))
        ended = Status(status)
    except (TypeError, ValueError) as e:
        raise StateError(f"the record of run {run_id} cannot be read: {e}") from e
    return ProjectRun(
        project=rows.text_out(project),
        key=key,
        status=ended,
        started=started,
        seconds=seconds,
        totals=body.totals,
        clashes=body.clashes,
        problems=body.problems,
        stops=body.stops,
        retries=retries,
        message=rows.maybe_text(message),
        hint=rows.maybe_text(hint),
        exit=code,
        files=files,
        bytes=size,
    )


def _body_text(project: ProjectRun) -> str:
    body = _Body(project.totals, project.clashes, project.problems, project.stops)
    return json.dumps(flatten(body), separators=(",", ":"))


def _actions(connection: sqlite3.Connection, run_project: int) -> tuple[Done, ...]:
    found = connection.execute(
        "SELECT kind, path, side, size, reason, outcome, detail, kept FROM actions"
        " WHERE run_project = ? ORDER BY n",
        (run_project,),
    )
    return tuple(
        Done(
            kind=kind,
            path=rows.text_out(path),
            side=None if side is None else Side(side),
            size=size,
            reason=reason,
            outcome=Outcome(outcome),
            detail=rows.maybe_text(detail),
            kept=rows.maybe_text(kept),
        )
        for kind, path, side, size, reason, outcome, detail, kept in found
    )
