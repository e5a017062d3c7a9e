"""What runs did to files, as the engine asks for it: for undo, versions and retention."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from bm_sync.model.past import Effect
from bm_sync.model.tree import Side
from bm_sync.state import database, effects, texts, thinning
from bm_sync.state.effects import Held


class Past:
    """The part of the state about what runs did and what the trash holds."""

    def __init__(
        self, db: database.Database, key_now: Callable[[str], str] = lambda key: key
    ) -> None:
        """`key_now` returns the key under which a project's memory is kept."""
        self._db = db
        self._now = key_now

    def put(self, run: str, key: str, project: str, done: Sequence[Effect]) -> None:
        """Write what a run did to a project; nothing writes nothing."""
        if done:
            with self._db.writing() as connection:
                effects.put(connection, run, key, project, done)

    def of_run(self, run: str, key: str) -> tuple[Effect, ...]:
        """Return what a run did to a project, in the order it was planned."""
        key = self._now(key)
        with self._db.reading() as connection:
            return effects.of_run(connection, run, key)

    def last_run(self, keys: Collection[str]) -> str | None:
        """Return the newest run that changed a file of one of these projects."""
        now = [self._now(key) for key in keys]
        with self._db.reading() as connection:
            return effects.last_run(connection, now)

    def last_here(self, key: str, path: str) -> Effect | None:
        """Return the last thing that a run did to a path on the local side, None for nothing."""
        with self._db.reading() as connection:
            return effects.last_here(connection, key, path)

    def names(self, key: str) -> frozenset[str]:
        """Return the names that a project had when it kept versions."""
        key = self._now(key)
        with self._db.reading() as connection:
            return effects.names(connection, key)

    def held(self, key: str) -> tuple[Held, ...]:
        """Return what the trash holds of a project by run and side, the oldest run first."""
        key = self._now(key)
        with self._db.reading() as connection:
            return effects.held(connection, key)

    def holds_older(self, key: str, run: str) -> bool:
        """Return whether the trash holds anything of a run before `run`."""
        key = self._now(key)
        with self._db.reading() as connection:
            return effects.holds_older(connection, key, run)

    def unfinished(self, key: str) -> frozenset[str]:
        """Return the runs that have not ended, or were killed, since the project last converged."""
        key = self._now(key)
        with self._db.reading() as connection:
            return effects.unfinished(connection, key)

    def known_runs(self) -> frozenset[str]:
        """Return the ids of all runs of this machine."""
        with self._db.reading() as connection:
            return effects.known_runs(connection)

    def text(self, key: str, path: str, content: str) -> bytes | None:
        """Return the agreed text of a path whose digest is `content`, None when it is not kept."""
        key = self._now(key)
        with self._db.reading() as connection:
            return texts.read(connection, key, path, content)

    def text_digests(self, key: str) -> dict[str, str]:
        """Return the digest of every text that is kept of a project."""
        key = self._now(key)
        with self._db.reading() as connection:
            return texts.digests(connection, key)

    def put_texts(
        self, key: str, put: Mapping[str, tuple[str, bytes]], drop: Collection[str]
    ) -> None:
        """Keep the texts of agreed files, each with its digest, and drop others."""
        with self._db.writing() as connection:
            texts.write(connection, key, put, drop)

    def pruned(self, key: str, gone: Collection[tuple[str, Side]]) -> None:
        """Note that what these runs kept on these sides is there no more."""
        if gone:
            key = self._now(key)
            with self._db.writing() as connection:
                for run, side in gone:
                    effects.pruned(connection, key, run, side)

    def days(self, start: str, end: str) -> Iterator[str]:
        """Yield the days (YYYYMMDD) from `start` until before `end` of which runs are recorded."""
        while True:
            with self._db.reading() as connection:
                day = thinning.next_day(connection, start, end)
            if day is None:
                return
            yield day
            start = thinning.after(day)

    def surplus(self, day: str, edges: thinning.Edges, whose: thinning.Whose) -> thinning.Surplus:
        """Return which records of a day may go."""
        with self._db.reading() as connection:
            return thinning.surplus(connection, day, edges, whose)

    def thin(self, found: thinning.Surplus, most: int | None = None) -> tuple[int, bool]:
        """Remove up to `most` records of a day; return how many went, and whether all did."""
        if not (found.records or found.runs):
            return 0, True
        with self._db.writing() as connection:
            return thinning.remove(connection, found, most)

    def shrink(self, pages: int | None = None) -> None:
        """Give up to so many free pages back to the disk; None: all."""
        self._db.shrink(pages)

    @property
    def size(self) -> int:
        """Return how many bytes the state has."""
        return self._db.size
