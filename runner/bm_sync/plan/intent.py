"""What the caller wants of a plan, beside what was seen."""

from __future__ import annotations

from msgspec import Struct

from bm_sync.model.config import Mode, Policy
from bm_sync.model.plan import Accept
from bm_sync.model.tree import Side


class Intent(Struct, frozen=True):
    """How to plan one project.

    `now` is UTC as YYYYMMDDTHHMM. `host` names the local side and `remote_name` the remote in
    conflict copies; the labels are the roots as a person reads them. `makes_roots`: both roots are
    made when they are missing. `was` is what the project was before, when it takes the memory of
    that in this run, else "", and `moved` are its sides that lay elsewhere.
    """

    policy: Policy
    accept: Accept
    keep_deleted: bool
    host: str
    now: str
    local_label: str
    remote_label: str
    remote_name: str
    makes_roots: bool = False
    was: str = ""
    moved: tuple[Side, ...] = ()

    def label(self, side: Side) -> str:
        """Return the root of a side as a person reads it."""
        return self.local_label if side is Side.LOCAL else self.remote_label


def source_side(policy: Policy) -> Side | None:
    """Return the side a one-way policy reads from; None for two-way."""
    match policy.mode:
        case Mode.TWO_WAY:
            return None
        case Mode.MIRROR:
            return Side.LOCAL if policy.direction.value == "up" else Side.REMOTE
        case Mode.PUSH:
            return Side.LOCAL
        case Mode.PULL:
            return Side.REMOTE
