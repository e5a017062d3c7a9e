"""The state as the engine uses it: one object over the database of a state directory.

`State.open` is for runs, `State.peek` for everything that must change nothing. Both may be used
from any thread. Nothing here decides what is synced.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bm_sync.model.report import LastAction, OpenConflict
from bm_sync.model.run import ProjectRun, Run, Status
from bm_sync.model.tree import Side
from bm_sync.state import baselines, contents, database, history, open_conflicts, takeover
from bm_sync.state.machine import Here, machine_id
from bm_sync.state.past import Past
from bm_sync.state.table import TABLES, Connection, Reader, checked, insert, only
from bm_sync.state.values import Change, Fact, Former, Remembered, Seen

if TYPE_CHECKING:
    from bm_sync.state.period import PastRun
    from bm_sync.state.portable import Wanted


Tell = Callable[[str], None]
_SPELLINGS = "spellings"  # a fact about a project

_CONFLICT_KEYS: Reader[str] = Reader.of("conflicts", only, "key")
_EXITS = Reader.of("run_projects", lambda key, exit: (key, exit), "key exit")  # noqa: A006 - columns
_KEYS: Reader[str] = Reader.of("projects", only, "key")
_FACTS: Reader[Fact] = Reader.of("facts", only, "value")
_SEEN = Reader.of(
    "projects",
    Seen,
    "key name local remote last_run last_time status converged files bytes message",
    mends=True,
)


class State:
    """What is remembered in one state directory.

    `repaired` is a sentence for the user when something was damaged and started anew, else None.
    """

    def __init__(self, db: database.Database, here: Here, tell: Tell | None = None) -> None:
        self._db = db
        self._tell = tell
        self._here = here
        self._repaired = [db.repaired] if db.repaired else []
        self._distrusted: set[str] = set()
        self._quiet: list[history.Ended] = []
        self._news = False  # what both sides agree on was changed
        self._formers: Mapping[str, Former] = {}

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        host: str = "",
        clock: Callable[[], float] = time.time,
        machine: Callable[[], str | None] = machine_id,
        tell: Tell | None = None,
    ) -> Self:
        """Open the state for a run; the directory and the file are made when missing.

        `host` is this machine's name, `machine` gives what tells it from others, `clock` seconds
        since 1970, `tell` is given `repaired` at the end. Raises StateError when the directory
        cannot be used or was written by a newer version.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(clock()))
        return cls(database.open_for_writing(directory, stamp), Here(machine(), host), tell)

    @classmethod
    def peek(
        cls,
        directory: Path,
        *,
        machine: Callable[[], str | None] = machine_id,
        apart: bool = False,
        tell: Tell | None = None,
    ) -> Self:
        """Open the state for reading; not a byte of the directory changes, a missing one is empty.

        `apart` gives a copy in memory that may be changed. `tell` and StateError are as for `open`.
        """
        return cls(database.open_for_reading(directory, apart=apart), Here(machine(), ""), tell)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits and close the file."""
        try:
            self._write_quiet()
            if self._news:
                self._db.keep_spare()
            if self._tell is not None and self.repaired is not None:
                self._tell(self.repaired)
        finally:
            self._db.close()

    def note(self, sentence: str) -> None:
        """Add to what the user is told about the state."""
        if sentence not in self._repaired:
            self._repaired.append(sentence)

    @property
    def repaired(self) -> str | None:
        """Return what was damaged, as sentences for the user."""
        return "; ".join((*self._repaired, *self._db.left_out())) or None

    def examine(self) -> None:
        """Read every record, so that `repaired` tells of all that are damaged."""
        with self._db.reading() as connection:
            for table in TABLES:
                for _ in checked(connection, table, ""):
                    pass

    def expect(self, formers: Mapping[str, Former]) -> None:
        """Know whose memory projects take, by their keys: it is read as theirs until they do."""
        self._formers = {**self._formers, **formers}

    def former(self, key: str) -> Former | None:
        """Return whose memory a project is about to take; None when it has its own, or none is."""
        former = self._formers.get(key)
        if former is None:
            return None
        with self._db.reading() as connection:
            return former if takeover.pending(connection, key, former) else None

    def knows(self, key: str) -> bool:
        """Return whether a project has a memory of its own."""
        with self._db.reading() as connection:
            return takeover.known(connection, key)

    def key_now(self, key: str) -> str:
        """Return the key under which the memory of a project is kept until it is taken."""
        former = self.former(key)
        return key if former is None else former.key

    def take_over(self, key: str) -> bool:
        """Move the memory that a project takes to its own key; return whether there was one."""
        former = self.former(key)
        if former is None:
            return False
        with self._db.writing() as connection:
            takeover.take(connection, key, former)
        if former.key in self._distrusted:
            self._distrusted.add(key)
        self._news = True
        return True

    def project(self, key: str) -> Remembered:
        """Return what is remembered of a project; nothing when it cannot be trusted."""
        former = self.former(key)
        if former is not None:
            return takeover.as_moved(self._project(former.key), former)
        return self._project(key)

    def _project(self, key: str) -> Remembered:
        with self._db.reading() as connection:
            found, distrust = baselines.load(connection, key, self._here)
        if distrust and key not in self._distrusted:
            self._distrusted.add(key)
            self.note(
                f"the memory of project {found.name or key} {distrust} and is not used: "
                "both sides are observed anew, nothing is deleted"
            )
        return found

    def record(self, key: str, change: Change) -> None:
        """Write what a run teaches the baseline, all or nothing; no news writes nothing."""
        anew = key in self._distrusted
        with self._db.reading() as connection:
            if not anew and not baselines.is_news(connection, key, change):
                return
        with self._db.writing() as connection:
            baselines.record(connection, key, change, here=self._here, anew=anew)
        self._news = True
        self._distrusted.discard(key)

    def forget(self, key: str) -> int:
        """Forget a project but for the records of its runs; return how many files it knew."""
        with self._db.writing() as connection:
            found = connection.execute("SELECT id FROM projects WHERE key = ?", (key,)).fetchone()
            if found is None:
                return 0
            files = contents.clear(connection, found[0])
            connection.execute("DELETE FROM projects WHERE id = ?", found)
            connection.execute("DELETE FROM conflicts WHERE key = ?", (key,))
            connection.execute("DELETE FROM texts WHERE key = ?", (key,))
        self._news = True
        self._distrusted.discard(key)
        return files

    def begin_run(self, run: Run) -> None:
        """Write that a run begins, before its first action; its projects and its end come later."""
        with self._db.writing() as connection:
            history.begin(connection, run)

    def end_project(
        self,
        run_id: str,
        project: ProjectRun,
        *,
        local: str | None = None,
        remote: str | None = None,
        converging: bool = True,
    ) -> None:
        """Write what a run did to a project.

        `local` and `remote` are its roots as a person reads them (None: as remembered). Without
        `converging` the run did something else than bring both sides together. A project in which
        nothing happened is written together with the next one or at the end, so that many quiet
        projects cost one transaction.
        """
        self._quiet.append(history.Ended(run_id, project, local, remote, converging=converging))
        if project.status is not Status.IN_SYNC or project.actions:
            self._write_quiet()

    def end_run(self, run: Run) -> None:
        """Write how a run ended, with every project that was not written yet."""
        with self._db.writing() as connection:
            self._put_quiet(connection)
            for project in run.projects:
                if not history.is_written(connection, run.id, project.key):
                    history.end_project(connection, history.Ended(run.id, project))
            history.end(connection, run)
        self._quiet.clear()

    def runs(self, limit: int = 20, project: str | None = None) -> tuple[Run, ...]:
        """Return the newest runs, newest first, without actions; those of one project by its name.

        A run that has not ended (or was killed) has exit -1 and `ended` "".
        """
        with self._db.reading() as connection:
            return history.runs(connection, limit, project)

    def runs_since(self, moment: str) -> tuple[PastRun, ...]:
        """Return the figures of every run since a time (ISO 8601, UTC), oldest first."""
        from bm_sync.state import period

        with self._db.reading() as connection:
            return period.read(connection, moment)

    def run(self, name: str) -> Run | None:
        """Return a run with all its actions, by its id or a prefix of it.

        Raises UsageError when several runs have the prefix.
        """
        with self._db.reading() as connection:
            return history.run(connection, name)

    @property
    def past(self) -> Past:
        """Return what is remembered of what runs did to files."""
        return Past(self._db, self.key_now)

    def conflicts(self, key: str) -> tuple[OpenConflict, ...]:
        """Return the open conflicts of a project, by path."""
        now = self.key_now(key)
        with self._db.reading() as connection:
            return open_conflicts.read(connection, now)

    def conflict_counts(self) -> Mapping[str, int]:
        """Return how many conflicts are open by the key of their project; others lack."""
        with self._db.reading() as connection:
            return Counter(_CONFLICT_KEYS.read(connection, ""))

    def last_exits(self) -> Mapping[str, int]:
        """Return the exit code of the last run of every project, by its key."""
        last = "JOIN projects ON projects.last_run = run_projects.run"
        with self._db.reading() as connection:
            where = f"{last} AND projects.key = run_projects.key"
            quiet = "WHERE status = 'in-sync' AND last_run IS NOT NULL"  # or more is recorded
            found = dict.fromkeys(_KEYS.read(connection, quiet), 0)
            return found | dict(_EXITS.read(connection, where))

    def last_action(self, key: str, path: str) -> LastAction | None:
        """Return what a run did last to a path of a project, None when none did anything."""
        now = self.key_now(key)
        with self._db.reading() as connection:
            return history.last_action(connection, now, path)

    def last_manifests(self) -> Mapping[str, str]:
        """Return the manifest of the last run of every project, by its key."""
        last = "JOIN projects ON projects.last_run = runs.id"
        with self._db.reading() as connection:
            found = connection.execute(f"SELECT projects.key, runs.manifest FROM runs {last}")  # noqa: S608 - ours
            return {key: file for key, file in found if isinstance(file, str)}

    def put_conflicts(self, key: str, now: tuple[OpenConflict, ...]) -> None:
        """Replace the open conflicts of a project; one that is known keeps its run and time."""
        known = self.conflicts(key)
        new = open_conflicts.merged(known, now)
        if new != known:
            with self._db.writing() as connection:
                open_conflicts.write(connection, key, new)

    def projects(self) -> tuple[Seen, ...]:
        """Return every project the state knows, by name."""
        with self._db.reading() as connection:
            return tuple(sorted(_SEEN.read(connection, ""), key=lambda p: (p.name, p.key)))

    def remote_fact(self, identity: str, name: str) -> Fact | None:
        """Return what was learned about a remote, None when it was not learned yet."""
        with self._db.reading() as connection:
            return _FACTS.first(connection, "WHERE identity = ? AND name = ?", (identity, name))

    def set_remote_fact(self, identity: str, name: str, value: Fact) -> None:
        """Remember something about a remote, such as whether it honours conditions."""
        if self.remote_fact(identity, name) == value:
            return
        with self._db.writing() as connection:
            fact = (identity, name, value)
            insert(connection, "facts", "identity name value", [fact], "INSERT OR REPLACE")

    def disks(self, key: str) -> Mapping[Side, Mapping[str, str]]:
        """Return the names of the file systems that a project's folders lay on, by side."""
        former = self.former(key)
        told = self.remote_fact(self.key_now(key), takeover.DISKS)
        if former is not None and isinstance(told, str):
            told = takeover.disks_as_moved(told, former)
        found = json.loads(told) if isinstance(told, str) else {}
        return {side: found[side] for side in Side if side in found}

    def set_disks(self, key: str, found: Mapping[Side, Mapping[str, str]]) -> None:
        """Remember which file systems a project's folders lie on."""
        self.set_remote_fact(key, takeover.DISKS, json.dumps(found, sort_keys=True))

    def spellings(self, key: str) -> Mapping[Side, Mapping[str, str]]:
        """Return the names that a side of a project lists otherwise than they are planned with."""
        told = self.remote_fact(self.key_now(key), _SPELLINGS)
        found = json.loads(told) if isinstance(told, str) else {}
        return {side: found[side] for side in Side if side in found}

    def set_spellings(self, key: str, found: Mapping[Side, Mapping[str, str]]) -> None:
        """Remember under which other names a side lists files."""
        self.set_remote_fact(key, _SPELLINGS, json.dumps(found, sort_keys=True))

    def export(self, wanted: Wanted) -> bytes:
        """Return all that is known of a project as a database of its own, for another machine."""
        from bm_sync.state import portable

        self._write_quiet()
        with self._db.reading() as connection:
            return portable.export(connection, wanted)

    def take_in(self, wanted: Wanted, data: bytes) -> int | None:
        """Put what another machine exported in the place of what is known of a project.

        Returns how many of its records could not be understood and stayed behind, None when none
        of it could be used: then nothing is changed. Raises StateError when a newer bm-sync wrote
        it.
        """
        from bm_sync.state import portable

        with self._db.writing() as connection:
            return portable.take_in(connection, wanted, data)

    def _write_quiet(self) -> None:
        if self._quiet:
            with self._db.writing() as connection:
                self._put_quiet(connection)
            self._quiet.clear()

    def _put_quiet(self, connection: Connection) -> None:
        for ended in self._quiet:
            history.end_project(connection, ended)
