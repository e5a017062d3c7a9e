"""The tables of the state database, and the steps that bring an older file up to date.

The version of a file is SQLite's `user_version`; `application_id` tells that the file is ours. A
step is never changed once it was released, not even in its blanks: a new one is added, and what is
not word for word the text of a step is not ours. Columns of stamps have no type, so
that a number beyond 64 bits can be kept as text (SQLite would round it otherwise).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache

from bm_sync.errors import StateError
from bm_sync.state.table import Connection

APPLICATION_ID = 0x626D7379  # "bmsy"

_FIRST = """
CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name NOT NULL DEFAULT '',
    local NOT NULL DEFAULT '',
    remote NOT NULL DEFAULT '',
    known INTEGER NOT NULL DEFAULT 0,
    device,
    filters,
    via_link INTEGER,
    machine TEXT,
    host,
    total INTEGER NOT NULL DEFAULT 0,
    seal INTEGER NOT NULL DEFAULT 0,
    last_run TEXT,
    last_time TEXT,
    status TEXT,
    converged TEXT,
    files INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    message
);
CREATE TABLE agreed (
    project INTEGER NOT NULL,
    path NOT NULL,
    content,
    l_size, l_mtime, l_ctime, l_inode, l_content,
    r_size, r_mtime, r_ctime, r_inode, r_content,
    crc INTEGER NOT NULL,
    PRIMARY KEY (project, path)
) WITHOUT ROWID;
CREATE TABLE folders (
    project INTEGER NOT NULL,
    path NOT NULL,
    PRIMARY KEY (project, path)
) WITHOUT ROWID;
CREATE TABLE hashes (
    project INTEGER NOT NULL,
    side TEXT NOT NULL,
    path NOT NULL,
    size, mtime, ctime, inode, stamp_content,
    content TEXT NOT NULL,
    PRIMARY KEY (project, side, path)
) WITHOUT ROWID;
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    command NOT NULL,
    started TEXT NOT NULL,
    ended TEXT NOT NULL DEFAULT '',
    host NOT NULL,
    manifest NOT NULL,
    plan_digest TEXT NOT NULL,
    exit INTEGER NOT NULL DEFAULT -1,
    log
) WITHOUT ROWID;
CREATE TABLE run_projects (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    key TEXT NOT NULL,
    project NOT NULL,
    status TEXT NOT NULL,
    started TEXT NOT NULL,
    seconds REAL NOT NULL,
    retries INTEGER NOT NULL,
    message,
    hint,
    exit INTEGER NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (run, key)
);
CREATE INDEX run_projects_by_name ON run_projects (project, run);
CREATE TABLE actions (
    run_project INTEGER NOT NULL,
    n INTEGER NOT NULL,
    kind TEXT NOT NULL,
    path NOT NULL,
    side TEXT,
    size INTEGER NOT NULL,
    reason TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail,
    kept,
    PRIMARY KEY (run_project, n)
) WITHOUT ROWID;
CREATE INDEX kept_versions ON actions (path, run_project) WHERE kept IS NOT NULL;
CREATE TABLE conflicts (
    key TEXT NOT NULL,
    path NOT NULL,
    project NOT NULL,
    kept,
    winner TEXT,
    run TEXT NOT NULL,
    since TEXT NOT NULL,
    what NOT NULL,
    UNIQUE (key, path, kept)
);
CREATE TABLE facts (
    identity TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (identity, name)
) WITHOUT ROWID;
"""

_EFFECTS = """
CREATE TABLE effects (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    run TEXT NOT NULL,
    n INTEGER NOT NULL,
    project NOT NULL,
    kind TEXT NOT NULL,
    path NOT NULL,
    side TEXT NOT NULL,
    content TEXT,
    old_path,
    kept,
    kept_size NOT NULL DEFAULT 0,
    kept_content TEXT,
    UNIQUE (key, run, n)
);
CREATE INDEX effects_kept ON effects (key, run) WHERE kept IS NOT NULL;
"""

_BASES = "ALTER TABLE conflicts ADD COLUMN base TEXT;"

_TEXTS = """
CREATE TABLE texts (
    key TEXT NOT NULL,
    path NOT NULL,
    content TEXT NOT NULL,
    text BLOB NOT NULL,
    PRIMARY KEY (key, path)
) WITHOUT ROWID;
"""

# Most records say that nothing had to be done: 20 bytes each instead of 480 (docs/decisions.md).
_QUIET_BODY = (
    '{"totals":{"up":0,"down":0,"delete_local":0,"delete_remote":0,"move":0,"conflicts":0,'
    '"folders":0,"bytes_up":0,"bytes_down":0},"clashes":[],"problems":[],"stops":[]}'
)
_QUIET = f"""
CREATE TABLE project_names (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    project NOT NULL,
    UNIQUE (key, project)
);
CREATE TABLE run_numbers (
    n INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE
);
CREATE TABLE quiet (
    run INTEGER NOT NULL,
    project INTEGER NOT NULL,
    at INTEGER NOT NULL,
    ms INTEGER NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (run, project)
) WITHOUT ROWID;
CREATE VIEW project_runs AS
    SELECT id, run, key, project, status, started, seconds, retries, message, hint, exit, files,
        bytes, body FROM run_projects
    UNION ALL
    SELECT 0, n.run, p.key, p.project, 'in-sync', strftime('%Y-%m-%dT%H:%M:%SZ', q.at, 'unixepoch'),
        q.ms / 1000.0, 0, NULL, NULL, 0, q.files, q.bytes, '{_QUIET_BODY}'
    FROM run_numbers n CROSS JOIN quiet q ON q.run = n.n JOIN project_names p ON p.id = q.project;
CREATE TEMP TABLE moving AS
    SELECT id FROM run_projects r
    WHERE status = 'in-sync' AND exit = 0 AND retries = 0 AND message IS NULL AND hint IS NULL
        AND body = '{_QUIET_BODY}' AND typeof(seconds) = 'real' AND seconds < 1e6
        AND typeof(files) = 'integer' AND typeof(bytes) = 'integer' AND typeof(run) = 'text'
        AND typeof(key) = 'text' AND length(started) = 20
        AND strftime('%Y-%m-%dT%H:%M:%SZ', started) = started
        AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.run_project = r.id);
INSERT INTO project_names (key, project)
    SELECT DISTINCT key, project FROM run_projects WHERE id IN (SELECT id FROM temp.moving);
INSERT INTO run_numbers (run)
    SELECT DISTINCT run FROM run_projects WHERE id IN (SELECT id FROM temp.moving) ORDER BY run;
INSERT INTO quiet
    SELECT n.n, p.id, CAST(strftime('%s', r.started) AS INTEGER),
        CAST(round(r.seconds * 1000) AS INTEGER), r.files, r.bytes
    FROM run_projects r JOIN run_numbers n ON n.run = r.run
        JOIN project_names p ON p.key = r.key AND p.project = r.project
    WHERE r.id IN (SELECT id FROM temp.moving);
DELETE FROM run_projects WHERE id IN (SELECT id FROM temp.moving);
DROP TABLE temp.moving;
"""  # noqa: S608 - no values

_NO_VERSION = 10_000  # of the schema; a file that says so is damaged
_MOST = 1000  # tables and indexes, ten times ours

# Step n brings a file of version n to version n + 1.
STEPS: tuple[str, ...] = (_FIRST, _EFFECTS, _BASES, _TEXTS, _QUIET)


def version(connection: sqlite3.Connection) -> int:
    """Return the schema version of a file; 0 is a file without tables."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def is_sound(connection: Connection, subject: str, *, exact: bool) -> bool:
    """Return whether a database is ours and whole; `exact`: and holds nothing that we did not make.

    Raises StateError, about `subject`, when a newer version wrote it.
    """
    number = version(connection)
    ours: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if ours != APPLICATION_ID or not 0 < number < _NO_VERSION:
        return False
    if number > len(STEPS):
        raise StateError(
            f"{subject} was written by a newer bm-sync (version {number} of the state)",
            hint="upgrade bm-sync, or name another directory with --state-dir",
        )
    if not _fits(connection, number, exact=exact):
        return False
    check = "integrity_check" if exact else "quick_check"
    verdict: str = connection.execute(f"PRAGMA {check}(1)").fetchone()[0]
    return verdict == "ok"


def _fits(connection: Connection, number: int, *, exact: bool) -> bool:
    """Return whether the tables and indexes are those of a version.

    Elsewhere than `exact` others may stand beside them, such as the statistics of ANALYZE; what
    acts by itself may not.
    """
    ours, found = _objects_of(number), _objects(connection)
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    if encoding != "UTF-8" or (exact and found != ours):
        return False
    foreign = set(found) - set(ours)
    return set(ours) <= set(found) and not any(kind == "trigger" for kind, *_ in foreign)


@cache
def _objects_of(number: int) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        upgrade(connection, STEPS[:number])
        return _objects(connection)


def _objects(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Return what the schema names; of more than could be ours only the beginning."""
    return connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name LIMIT ?", (_MOST,)
    ).fetchall()


def upgrade(connection: sqlite3.Connection, steps: tuple[str, ...] = STEPS) -> None:
    """Bring the file to version `len(steps)`, each step in a transaction of its own."""
    for number in range(version(connection), len(steps)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {steps[number]}"
            f"PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {number + 1}; COMMIT;"
        )
