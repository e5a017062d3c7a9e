"""Gives the memory of a project to another key, when the project is declared otherwise than before.

What was agreed on, the conflicts, the texts for merges, the records of runs, what they kept and
what was told of it go together, within the caller's transaction. A project that has a memory of its
own takes none.
"""

from __future__ import annotations

import json

from bm_sync.model.tree import Side
from bm_sync.state import baselines, contents
from bm_sync.state.table import Connection, Reader, insert, only
from bm_sync.state.values import Fact, Former, Remembered
from bm_sync.structs import replace

DISKS = "disks"  # a fact about a project: its file systems, by side

_FACTS: Reader[Fact] = Reader.of("facts", only, "value")
_REPLACED = ("conflicts", "texts")
_JOINED = ("run_projects", "effects")


def pending(connection: Connection, key: str, former: Former) -> bool:
    """Return whether the project `key` has no memory yet and its former key has one."""
    return not known(connection, key) and known(connection, former.key)


def known(connection: Connection, key: str) -> bool:
    """Return whether what both sides agreed on is remembered under a key."""
    found = connection.execute("SELECT known FROM projects WHERE key = ?", (key,)).fetchone()
    return found is not None and bool(found[0])


def as_moved(found: Remembered, former: Former) -> Remembered:
    """Return a memory without what it says of a folder that lies elsewhere now."""
    if Side.LOCAL not in former.moved:
        return found
    return replace(found, baseline=replace(found.baseline, device=None), via_link=None)


def disks_as_moved(told: str, former: Former) -> str:
    """Return the file systems of a project's sides without those that lie elsewhere now."""
    found = json.loads(told)
    return json.dumps({side: names for side, names in found.items() if side not in former.moved})


def take(connection: Connection, key: str, former: Former) -> None:
    """Move all that is remembered under the former key to `key`."""
    new = connection.execute("SELECT id FROM projects WHERE key = ?", (key,)).fetchone()
    if new is not None:  # it was stopped, say, before it took its memory
        contents.clear(connection, new[0])
        connection.execute("DELETE FROM projects WHERE id = ?", new)
    baselines.rename(connection, former.key, key, moved=Side.LOCAL in former.moved)
    old_to_new = (key, former.key)
    for table in _REPLACED:
        connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))  # noqa: S608 - ours
        connection.execute(f"UPDATE {table} SET key = ? WHERE key = ?", old_to_new)  # noqa: S608 - ours
    for table in _JOINED:
        connection.execute(f"UPDATE OR IGNORE {table} SET key = ? WHERE key = ?", old_to_new)  # noqa: S608 - ours
    _take_facts(connection, key, former)


def _take_facts(connection: Connection, key: str, former: Former) -> None:
    told = _FACTS.first(connection, "WHERE identity = ? AND name = ?", (former.key, DISKS))
    connection.execute(
        "UPDATE OR REPLACE facts SET identity = ? WHERE identity = ?", (key, former.key)
    )
    if isinstance(told, str):
        fact = (key, DISKS, disks_as_moved(told, former))
        insert(connection, "facts", "identity name value", [fact], "INSERT OR REPLACE")
