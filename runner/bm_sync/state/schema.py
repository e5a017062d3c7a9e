"""The tables of the state database, and the steps that bring an older file up to date.

The version of a file is SQLite's `user_version`; `application_id` tells that the file is ours. A
step is never changed once it was released: a new one is added. Columns of stamps have no type, so
that a number beyond 64 bits can be kept as text (SQLite would round it otherwise).
"""

from __future__ import annotations

import sqlite3

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

# Step n brings a file of version n to version n + 1.
STEPS: tuple[str, ...] = (_FIRST, _EFFECTS, _BASES, _TEXTS)


def version(connection: sqlite3.Connection) -> int:
    """Return the schema version of a file; 0 is a file without tables."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


def is_ours(connection: sqlite3.Connection) -> bool:
    """Return whether the file says that bm-sync made it."""
    found: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return found == APPLICATION_ID


def upgrade(connection: sqlite3.Connection, steps: tuple[str, ...] = STEPS) -> None:
    """Bring the file to version `len(steps)`, each step in a transaction of its own."""
    for number in range(version(connection), len(steps)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {steps[number]}"
            f"PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {number + 1}; COMMIT;"
        )
