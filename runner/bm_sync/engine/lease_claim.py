"""Takes a lease: where none stands, or in the place of one whose holder is dead."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from bm_sync.engine.lease import Lease, awake_s
from bm_sync.engine.lease_note import KEEP_S, Note, decode, encode
from bm_sync.engine.lease_place import Found, LeasePlace
from bm_sync.errors import LockedError
from bm_sync.state.leases import LeaseMemory

_TRIES = 3
UNSURE_S = 5.0  # by how much the age of a lease may be told wrong


class Standing(Struct, frozen=True):
    """A lease that stands: who holds it (None: unreadable), and whether its holder is dead.

    `left_s` is how long it still holds as far as is known.
    """

    found: Found
    note: Note | None
    dead: bool
    ours: bool = False
    left_s: float = 0.0

    @property
    def owner(self) -> str:
        """Return the holder in words."""
        return self.note.owner if self.note is not None else "somebody who left no readable name"


async def standing(
    place: LeasePlace, memory: LeaseMemory, clock: Callable[[], float] = awake_s
) -> Standing | None:
    """Return the lease that stands, None when there is none.

    One of our own is dead: the caller holds the project's lock. Of a foreign one the store's clock
    tells, else how long it has not changed by ours.
    """
    found = await place.read()
    if found is None:
        return None
    note = decode(found.data)
    if note is not None and note.run in memory.ours():
        return Standing(found, note, dead=True, ours=True)
    age_s = await place.age_s()
    if age_s is None:
        age_s = memory.unchanged_s(found.data, clock())
    left_s = (note.keep_s if note is not None else KEEP_S) + UNSURE_S - age_s
    return Standing(found, note, dead=left_s < 0, left_s=max(left_s, 0.0))


async def claim(
    place: LeasePlace, note: Note, memory: LeaseMemory, clock: Callable[[], float] = awake_s
) -> Lease:
    """Return the lease, taken now; raises LockedError when another holds it."""
    memory.taking(note.run)
    data = encode(note)
    for _ in range(_TRIES):
        asked = clock()
        held = await place.create(data)
        if held is None:
            other = await standing(place, memory, clock)
            if other is None:
                continue
            if not other.dead:
                memory.given_back(note.run)
                raise refusal(note.project, place, other)
            asked = clock()
            held = await place.replace(other.found, data)
        if held is not None:
            memory.holding(note.run)
            return Lease(place, (note, held, asked), memory, clock)
    memory.given_back(note.run)
    raise LockedError(
        f"project {note.project}: others take the lease on {place.label} again and again",
        hint="try again, or add --wait to the command",
    )


def refusal(project: str, place: LeasePlace, other: Standing) -> LockedError:
    """Return the error for a lease that another holds."""
    return LockedError(
        f"project {project}: the lease on {place.label} is held by {other.owner}",
        hint="wait until it has ended, or add --wait to the command",
    )
