"""The values that go into the state and come out of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct, field

from bm_sync.model.tree import Agreed, Baseline, Side, Stamp

HashMemory = Mapping[tuple[Side, str], tuple[Stamp, str]]
Fact = bool | int | str


class Remembered(Struct, frozen=True):
    """What is remembered of a project.

    `memory` holds contents that were computed for files that are not agreed on: (side, path) to
    the stamp it was computed for and the content. `filters` is the snapshot of the filters of the
    last run, `via_link` whether the local root was a symlink then; None before the first run.
    """

    baseline: Baseline = Baseline()
    memory: HashMemory = field(default_factory=dict)
    filters: str | None = None
    name: str = ""
    via_link: bool | None = None


class Change(Struct, frozen=True):
    """What a run teaches the baseline of a project.

    `put` and `drop` are files, `put_dirs` and `drop_dirs` folders; dropping what is not there is no
    error. `memory` replaces the whole hash memory. For `device`, `filters`, `via_link` and `memory`
    None means: leave it as it is.
    """

    project: str
    put: Mapping[str, Agreed] = field(default_factory=dict)
    drop: Collection[str] = ()
    put_dirs: Collection[str] = ()
    drop_dirs: Collection[str] = ()
    device: int | None = None
    filters: str | None = None
    via_link: bool | None = None
    memory: HashMemory | None = None


class Seen(Struct, frozen=True):
    """A project as the state knows it.

    `last_time` is when the last run began with it, `converged` when the last run began that left it
    in sync (ISO 8601, UTC); None when there was none. `status` is the word of `Status`.
    """

    key: str
    name: str
    local: str
    remote: str
    last_run: str | None
    last_time: str | None
    status: str | None
    converged: str | None
    files: int
    bytes: int
    message: str | None


class Former(Struct, frozen=True):
    """Whose memory a project takes: the key it had before, and its sides that lay elsewhere."""

    key: str
    moved: tuple[Side, ...]
