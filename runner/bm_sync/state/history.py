"""Writes and reads the records of runs, within the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Any

from msgspec import Struct

from bm_sync.errors import UsageError
from bm_sync.model.report import LastAction
from bm_sync.model.run import Done, ProjectRun, Run, Status
from bm_sync.state import rows
from bm_sync.state.columns import Body
from bm_sync.state.table import Connection, Reader, insert
from bm_sync.structs import replace

UNFINISHED = -1  # the exit code of a run that has not ended: it still runs, or it was killed


def _project_run(id: int, body: Body, **told: Any) -> tuple[int, ProjectRun]:  # noqa: A002, ANN401 - columns
    parts = {name: getattr(body, name) for name in Body.__struct_fields__}
    return id, ProjectRun(**told, **parts)


_RUNS = Reader.of(
    "runs",
    lambda **told: Run(**told, projects=()),
    "id command started ended host manifest plan_digest exit log",
)
_PROJECTS = Reader.of(
    "project_runs",
    _project_run,
    "id project key status started seconds retries message hint exit files bytes body",
)
_ACTIONS = Reader.of("actions", Done, "kind path side size reason outcome detail kept")


class Ended(Struct, frozen=True):
    """A project's part of a run, with its two roots as a person reads them (None: unknown).

    `converging`: a run that ended well brought both sides together.
    """

    run: str
    project: ProjectRun
    local: str | None = None
    remote: str | None = None
    converging: bool = True


def begin(connection: Connection, run: Run) -> None:
    """Write a run that begins."""
    values = (run.id, run.command, run.started, run.host, run.manifest, run.plan_digest)
    insert(connection, "runs", "id command started host manifest plan_digest", [values])


def end(connection: Connection, run: Run) -> None:
    """Write how a run ended."""
    connection.execute(
        "UPDATE runs SET ended = ?, exit = ?, plan_digest = ?, log = ? WHERE id = ?",
        (run.ended, run.exit, run.plan_digest, rows.text_in(run.log), run.id),
    )


def end_project(connection: Connection, ended: Ended) -> None:
    """Write what a run did to one project, and that it is the last one that saw it."""
    run, project = ended.run, ended.project
    erase(connection, run, project.key)
    _put_last(connection, ended)
    if is_quiet(project):
        _put_quiet(connection, run, project)
        return
    told = _PROJECTS.columns.keys() - {"id", "body"}
    body = Body(project.totals, project.clashes, project.problems, project.stops)
    record = (run, body, *(getattr(project, name) for name in told))
    insert(connection, "run_projects", f"run body {' '.join(told)}", [record])
    (number,) = connection.execute("SELECT last_insert_rowid()").fetchone()
    if number < 1:  # after damaged ones only
        connection.execute("UPDATE run_projects SET id = 1 WHERE id = ?", (number,))
        number = 1
    connection.execute("DELETE FROM actions WHERE run_project = ?", (number,))  # of a lost record
    names = _ACTIONS.columns
    found = (
        (number, n, *(getattr(done, name) for name in names))
        for n, done in enumerate(project.actions)
    )
    insert(connection, "actions", f"run_project n {' '.join(names)}", found)


def is_quiet(project: ProjectRun) -> bool:
    """Return whether all there is to say of a project is when it was seen, and how large it is."""
    plain = ProjectRun(
        project.project,
        project.key,
        Status.IN_SYNC,
        project.started,
        project.seconds,
        files=project.files,
        bytes=project.bytes,
    )
    return project == plain


def _put_quiet(connection: Connection, run: str, project: ProjectRun) -> None:
    """Write a record of few bytes: most records are these."""
    name = rows.text_in(project.project)
    connection.execute(
        "INSERT OR IGNORE INTO project_names (key, project) VALUES (?, ?)", (project.key, name)
    )
    connection.execute("INSERT OR IGNORE INTO run_numbers (run) VALUES (?)", (run,))
    at = int(datetime.fromisoformat(project.started).timestamp())
    connection.execute(
        "INSERT INTO quiet SELECT n.n, p.id, ?, ?, ?, ? FROM run_numbers n, project_names p"
        " WHERE n.run = ? AND p.key = ? AND p.project = ?",
        (at, round(project.seconds * 1000), project.files, project.bytes, run, project.key, name),
    )


_QUIET_OF = (
    "FROM quiet WHERE run = (SELECT n FROM run_numbers WHERE run = ?)"
    " AND project IN (SELECT id FROM project_names WHERE key = ?)"
)


def erase(connection: Connection, run: str, key: str) -> None:
    """Remove the record of a project in a run."""
    connection.execute(
        "DELETE FROM actions WHERE run_project IN"
        " (SELECT id FROM run_projects WHERE run = ? AND key = ?)",
        (run, key),
    )
    connection.execute("DELETE FROM run_projects WHERE run = ? AND key = ?", (run, key))
    connection.execute(f"DELETE {_QUIET_OF}", (run, key))


def is_written(connection: Connection, run: str, key: str) -> bool:
    """Return whether the record of a project in a run is there."""
    text = f"SELECT 1 FROM run_projects WHERE run = ? AND key = ? UNION ALL SELECT 1 {_QUIET_OF}"  # noqa: S608 - no values
    return connection.execute(text, (run, key, run, key)).fetchone() is not None


def runs(connection: Connection, limit: int, project: str | None) -> tuple[Run, ...]:
    """Return the newest runs, those of one project if it is named, without actions."""
    where, values = "", []
    if project is not None:
        where = (
            "WHERE EXISTS (SELECT 1 FROM run_projects p WHERE p.run = runs.id AND p.project = ?)"
            " OR EXISTS (SELECT 1 FROM quiet q WHERE q.run ="
            " (SELECT n FROM run_numbers n WHERE n.run = runs.id) AND q.project IN"
            " (SELECT id FROM project_names WHERE project = ?))"
        )
        values = [rows.text_in(project)] * 2
    found = _RUNS.read(connection, f"{where} ORDER BY id DESC", values)
    return tuple(_whole(connection, each, project) for each in islice(found, limit))


def run(connection: Connection, name: str) -> Run | None:
    """Return a run with all its actions, by its id or a prefix that only one has.

    Raises UsageError when several have it.
    """
    where = "WHERE substr(id, 1, ?) = ? ORDER BY id DESC"
    found = tuple(_RUNS.read(connection, where, (len(name), rows.text_in(name))))
    exact = [each for each in found if each.id == name]
    if not name or not found:
        return None
    if len(found) > 1 and not exact:
        hint = f"the newest of them is {found[0].id}"
        raise UsageError(f"{len(found)} runs begin with {name!r}", hint=hint)
    return _whole(connection, (exact or found)[0], None, with_actions=True)


def _whole(
    connection: Connection, run: Run, project: str | None, *, with_actions: bool = False
) -> Run:
    """Return a run with its projects, or with the one that is named."""
    ended = tuple(_PROJECTS.read(connection, "WHERE run = ? ORDER BY project", (run.id,)))
    return replace(
        run,
        projects=tuple(
            replace(one, actions=_actions(connection, number)) if with_actions else one
            for number, one in ended
            if project is None or one.project == project
        ),
    )


def _actions(connection: Connection, run_project: int) -> tuple[Done, ...]:
    return tuple(_ACTIONS.read(connection, "WHERE run_project = ? ORDER BY n", (run_project,)))


def last_action(connection: Connection, key: str, path: str) -> LastAction | None:
    """Return the newest action of a run on a path of a project."""
    mine = "run_project IN (SELECT id FROM run_projects WHERE key = ?)"
    where = f"WHERE path = ? AND {mine} ORDER BY run_project DESC, n DESC"
    done = _ACTIONS.first(connection, where, (rows.text_in(path), key))
    if done is None:
        return None
    found = connection.execute(
        "SELECT run, started FROM run_projects WHERE id = (SELECT max(run_project) FROM actions"
        " WHERE path = ? AND run_project IN (SELECT id FROM run_projects WHERE key = ?))",
        (rows.text_in(path), key),
    ).fetchone()
    return LastAction(found[0], found[1], done.kind, done.side, done.outcome.value)


def _put_last(connection: Connection, ended: Ended) -> None:
    project = ended.project
    converged = ended.converging and project.status.good
    connection.execute("INSERT OR IGNORE INTO projects (key) VALUES (?)", (project.key,))
    connection.execute(
        "UPDATE projects SET name = ?, local = coalesce(?, local), remote = coalesce(?, remote),"
        " last_run = ?, last_time = ?, status = ?, converged = coalesce(?, converged),"
        " files = coalesce(?, files), bytes = coalesce(?, bytes), message = ? WHERE key = ?",
        (
            rows.text_in(project.project),
            rows.text_in(ended.local),
            rows.text_in(ended.remote),
            ended.run,
            project.started,
            project.status.value,
            project.started if converged else None,
            *(
                (project.files, project.bytes)
                if project.status.good or project.files
                else (None, None)
            ),
            rows.text_in(project.message if project.fine else project.reason),
            project.key,
        ),
    )
