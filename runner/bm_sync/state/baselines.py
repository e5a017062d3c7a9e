"""Reads and writes what both sides of a project last agreed on.

Every row has a weight (a CRC of its columns), the project the sum of them, and the project's own
columns a seal. A sum or seal that does not fit means that the memory cannot be trusted: it is then
treated as if there was none, and the next record starts it anew. The same holds for a memory that
was made on another machine: its inode numbers and its idea of "deleted" mean nothing here.
"""

from __future__ import annotations

from msgspec import Struct

from bm_sync.model.tree import Baseline
from bm_sync.state import contents, rows
from bm_sync.state.columns import BAD
from bm_sync.state.machine import Here
from bm_sync.state.table import Connection, Reader, update
from bm_sync.state.values import Change, Remembered
from bm_sync.structs import replace


class _Head(Struct, frozen=True):
    """The project's own columns, as far as they are sealed."""

    id: int
    name: str = ""
    known: bool = False
    device: int | None = None
    filters: str | None = None
    via_link: bool | None = None
    machine: str | None = None
    host: str | None = None
    total: int = 0
    seal: int = 0

    def is_foreign(self, here: Here) -> bool:
        """Return whether the memory was made on another machine."""
        return None not in (self.machine, here.machine) and self.machine != here.machine

    def right_seal(self, key: str) -> int:
        """Return the seal that fits the columns."""
        parts = (
            key,
            self.known,
            self.device,
            self.filters,
            self.via_link,
            self.machine,
            self.total,
        )
        return rows.weigh_text("project", *parts)


_SEALED = "name known device filters via_link machine host total"
_HEADS = Reader.of("projects", _Head, f"id {_SEALED} seal", mends=True)


def load(connection: Connection, key: str, here: Here) -> tuple[Remembered, str | None]:
    """Return what is remembered of a project, and why it cannot be trusted (None: it can)."""
    head = _head(connection, key)
    if head is None or not head.known:
        return Remembered(name=head.name if head else ""), None
    if head.is_foreign(here):
        return Remembered(name=head.name), f"was made on another machine ({head.host or ''})"
    if head.seal != head.right_seal(key):
        return Remembered(name=head.name), "was damaged"
    try:
        files, weight = contents.files(connection, head.id)
        dirs = contents.folders(connection, head.id)
        memory = contents.hashes(connection, head.id)
    except BAD:  # a column of another type than was written
        return Remembered(name=head.name), "was damaged"
    total = weight + contents.weigh_folders(dirs) + contents.weigh_hashes(memory)
    if total & rows.SUM_MASK != head.total:
        return Remembered(name=head.name), "was damaged"
    baseline = Baseline(files, dirs, device=head.device, known=True)
    return Remembered(baseline, memory, head.filters, head.name, head.via_link), None


def is_news(connection: Connection, key: str, change: Change) -> bool:
    """Return whether `change` says anything that is not remembered yet."""
    if change.put or change.drop or change.put_dirs or change.drop_dirs:
        return True
    head = _head(connection, key)
    if head is None:
        return change != Change(change.project)
    said = (change.device, change.filters, change.via_link)
    kept = (head.device, head.filters, head.via_link)
    if any(new is not None and new != old for new, old in zip(said, kept, strict=True)):
        return True
    if change.memory is not None and dict(change.memory) != contents.hashes(connection, head.id):
        return True
    return not head.known


def record(connection: Connection, key: str, change: Change, *, here: Here, anew: bool) -> None:
    """Write `change` within the caller's transaction; `anew` forgets the older memory first."""
    connection.execute("INSERT OR IGNORE INTO projects (key) VALUES (?)", (key,))
    head = _head(connection, key)
    assert head is not None  # noqa: S101 - inserted above
    if anew or not head.known or head.is_foreign(here):
        contents.clear(connection, head.id)
        head = _Head(head.id)
    total = head.total
    total += contents.drop_files(connection, head.id, [*change.drop, *change.put])
    total += contents.put_files(connection, head.id, change.put)
    total += contents.drop_folders(connection, head.id, [*change.drop_dirs, *change.put_dirs])
    total += contents.put_folders(connection, head.id, change.put_dirs)
    if change.memory is not None:
        total += contents.replace_hashes(connection, head.id, change.memory)
    _write_head(connection, key, _taught(head, change, here, total & rows.SUM_MASK))


def give_up(connection: Connection, key: str) -> None:
    """Let a memory be of no machine; one that cannot be trusted stays so."""
    head = _head(connection, key)
    if head is not None and head.seal == head.right_seal(key):
        _write_head(connection, key, replace(head, machine=None))


def rename(connection: Connection, old: str, new: str, *, moved: bool) -> None:
    """Give a project another key; one whose memory cannot be trusted stays so.

    `moved`: its folder is another, so what was said of the folder itself is forgotten.
    """
    head = _head(connection, old)
    connection.execute("UPDATE projects SET key = ? WHERE key = ?", (new, old))
    if head is not None and head.seal == head.right_seal(old):
        head = replace(head, device=None, via_link=None) if moved else head
        _write_head(connection, new, head)


def _taught(head: _Head, change: Change, here: Here, total: int) -> _Head:
    return _Head(
        id=head.id,
        name=change.project,
        known=True,
        device=head.device if change.device is None else change.device,
        filters=head.filters if change.filters is None else change.filters,
        via_link=head.via_link if change.via_link is None else change.via_link,
        machine=here.machine or head.machine,
        host=here.host,
        total=total,
    )


def _head(connection: Connection, key: str) -> _Head | None:
    return _HEADS.first(connection, "WHERE key = ?", (key,))


def _write_head(connection: Connection, key: str, head: _Head) -> None:
    values = {name: getattr(head, name) for name in _SEALED.split()}
    update(connection, "projects", {**values, "seal": head.right_seal(key)}, "id = ?", (head.id,))
