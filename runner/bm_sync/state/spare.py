"""Keeps a whole copy of the state beside it, to fall back to when the state is found damaged.

It is made at the end of a run that has learnt something. A copy that is a run behind does no harm:
what both sides have agreed on since is equal on both, and so is only learnt again.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from bm_sync.state import place

NAME = "state.db.spare"


def keep(connection: sqlite3.Connection, directory: Path) -> None:
    """Replace the copy in one step; raises OSError and sqlite3.Error, and leaves the older one."""
    new = directory / f"{NAME}.new"
    new.unlink(missing_ok=True)
    os.close(place.private_file(new))
    with closing(sqlite3.connect(new)) as copy:
        copy.execute("PRAGMA journal_mode = OFF")  # half of this file is never used
        connection.backup(copy)
    new.rename(directory / NAME)
