"""Placing files: edits saved in the very moment survive, and a name is never missing."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bm_sync.engine import placing, primitives
from bm_sync.engine.jail import Jail
from bm_sync.engine.placing import ChangedError, Spot
from bm_sync.engine.primitives import Place, RefusedError
from bm_sync.model.tree import FileStamp


class Ground:
    """A folder with a live note, a staged one, and a trash."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jail = Jail(root)
        for folder in ("staging", "trash"):
            (root / folder).mkdir()
        self.write("note", "old")
        self.write("staging/note", "new")
        self.staged, self.note = Spot(self.jail, "staging/note"), Spot(self.jail, "note")
        self.trash = Spot(self.jail, "trash/note")

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    def read(self, path: str) -> str | None:
        file = self.root / path
        return file.read_text() if file.exists() else None

    def stamp(self, path: str) -> FileStamp:
        stamp = self.jail.look(path)
        assert stamp is not None
        return stamp


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def just_before(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None]) -> None:
    """Do `act` once, right before the system call `name` of the module `primitives`."""
    real, left = getattr(primitives, name), [act]

    def raced(one: Place, two: Place) -> None:
        while left:
            left.pop()()
        real(one, two)

    monkeypatch.setattr(primitives, name, raced)


def without_renameat2(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object) -> None:
        raise RefusedError(38, "renameat2")

    monkeypatch.setattr(primitives, "_renameat2", lacking)


def without_links(monkeypatch: pytest.MonkeyPatch, code: int = errno.EPERM) -> None:
    """Refuse second names to the product, which names them in open folders."""
    real = os.link

    def lacking(old: str, new: str, **folders: int) -> None:
        if folders:
            raise OSError(code, os.strerror(code))
        real(old, new)

    monkeypatch.setattr(os, "link", lacking)


@pytest.fixture(params=["ext4", "no renameat2", "no links", "neither: exFAT"])
def wanting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Be a file system that refuses some of what we ask it to do."""
    name: str = request.param
    if name in {"no renameat2", "neither: exFAT"}:
        without_renameat2(monkeypatch)
    if name in {"no links", "neither: exFAT"}:
        without_links(monkeypatch)
    return name


@pytest.mark.usefixtures("wanting")
def test_a_replaced_version_is_in_the_trash(ground: Ground) -> None:
    stamp = placing.replace(ground.staged, ground.note, ground.stamp("note"), ground.trash)
    assert (ground.read("note"), ground.read("trash/note")) == ("new", "old")
    assert stamp == ground.stamp("note")
    assert ground.read("staging/note") is None


@pytest.mark.usefixtures("wanting")
def test_an_edit_before_the_look_stops_the_replacement(ground: Ground) -> None:
    seen = ground.stamp("note")
    ground.write("note", "edited")
    with pytest.raises(ChangedError):
        placing.replace(ground.staged, ground.note, seen, ground.trash)
    assert (ground.read("note"), ground.read("staging/note")) == ("edited", "new")
    assert ground.read("trash/note") is None


@pytest.mark.usefixtures("wanting")
def test_every_act_works_on_a_file_system_that_refuses_some_calls(ground: Ground) -> None:
    other, fresh = Spot(ground.jail, "other"), Spot(ground.jail, "a/b/fresh")
    assert placing.place_new(ground.staged, fresh) == ground.stamp("a/b/fresh")
    assert placing.rename(ground.note, ground.stamp("note"), other) == ground.stamp("other")
    assert (ground.read("note"), ground.read("other")) == (None, "old")
    with pytest.raises(ChangedError):
        placing.rename(other, ground.stamp("other"), fresh)
    assert (ground.read("other"), ground.read("a/b/fresh")) == ("old", "new")
    placing.discard(other, ground.stamp("other"), ground.trash)
    assert (ground.read("other"), ground.read("trash/note")) == (None, "old")
    assert sorted(p.name for p in ground.root.rglob("*.bmpart")) == []


@pytest.mark.usefixtures("wanting")
@pytest.mark.parametrize("act", ["replace", "discard", "set aside"])
def test_what_is_kept_of_a_file_with_another_name_is_out_of_reach_of_that(
    ground: Ground, act: str
) -> None:
    outside, seen = ground.root / "outside", ground.stamp("note")
    outside.hardlink_to(ground.root / "note")
    match act:
        case "replace":
            placing.replace(ground.staged, ground.note, seen, ground.trash)
        case "discard":
            placing.discard(ground.note, seen, ground.trash)
        case _:
            stamp = placing.set_aside(ground.note, seen, ground.trash)
            assert stamp == ground.stamp("trash/note")
    outside.write_text("edited under the other name")
    assert ground.read("trash/note") == "old"
    assert ground.stamp("trash/note").mtime_ns == seen.mtime_ns
    assert ground.read("note") == ("new" if act == "replace" else None)
    assert sorted(p.name for p in ground.root.rglob("*.bmpart")) == []


def test_an_edit_under_the_other_name_in_the_moment_of_a_deletion_is_put_back(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, seen = ground.root / "outside", ground.stamp("note")
    outside.hardlink_to(ground.root / "note")
    real, moves = primitives.move_new, []

    def raced(one: Place, two: Place) -> None:
        moves.append(one)
        if len(moves) == 2:
            outside.write_text("edited under the other name")
        real(one, two)

    monkeypatch.setattr(primitives, "move_new", raced)
    with pytest.raises(ChangedError):
        placing.discard(ground.note, seen, ground.trash)
    assert ground.read("note") == "edited under the other name"
    assert ground.read("trash/note") is None


@pytest.mark.usefixtures("wanting")
def test_a_replacement_that_fails_leaves_no_second_name_of_the_live_file_in_the_trash(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "a bad sector")

    monkeypatch.setattr(primitives, "exchange", broken)
    with pytest.raises(OSError, match="a bad sector"):
        placing.replace(ground.staged, ground.note, ground.stamp("note"), ground.trash)
    assert ground.read("trash/note") is None
    assert (ground.root / "note").stat().st_nlink == 1


def test_an_edit_in_place_in_the_moment_of_a_replacement_without_exchange_is_put_back(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_renameat2(monkeypatch)
    just_before(monkeypatch, "replace", lambda: ground.write("note", "edited"))
    with pytest.raises(ChangedError):
        placing.replace(ground.staged, ground.note, ground.stamp("note"), ground.trash)
    assert ground.read("note") == "edited"


def test_what_a_killed_run_kept_as_a_second_name_gets_bytes_of_its_own(ground: Ground) -> None:
    (ground.root / "trash/note").hardlink_to(ground.root / "note")
    placing.own(ground.trash)
    with (ground.root / "note").open("a") as file:
        file.write(" and more")
    assert ground.read("trash/note") == "old"
    placing.own(Spot(ground.jail, "trash/none"))


def test_of_several_who_come_at_once_one_gets_a_name_that_is_reserved(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_renameat2(monkeypatch)
    without_links(monkeypatch)
    ground.write("second", "second")
    with ground.note.open() as first, Spot(ground.jail, "second").open() as second:

        def come_second() -> None:
            with pytest.raises(FileExistsError):
                primitives.move_new(second, (second[0], "lease"), reserve=True)

        just_before(monkeypatch, "_rename", come_second)
        primitives.move_new(first, (first[0], "lease"), reserve=True)
    assert (ground.read("lease"), ground.read("second")) == ("old", "second")


@pytest.mark.usefixtures("wanting")
def test_a_copy_that_cannot_be_made_whole_is_not_left_in_the_trash(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ground.root / "outside").hardlink_to(ground.root / "note")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        placing.replace(ground.staged, ground.note, ground.stamp("note"), ground.trash)
    assert (ground.read("note"), ground.read("trash/note")) == ("old", None)


@pytest.mark.parametrize("act", ["replace", "discard", "rename"])
def test_an_edit_that_restores_size_and_time_is_noticed(ground: Ground, act: str) -> None:
    seen = ground.stamp("note")
    note = ground.root / "note"
    while ground.stamp("note").ctime_ns == seen.ctime_ns:  # until the clock of the disk has moved
        note.write_text("OLD")
        os.utime(note, ns=(seen.mtime_ns, seen.mtime_ns))
    acts: dict[str, Callable[[], object]] = {
        "replace": lambda: placing.replace(ground.staged, ground.note, seen, ground.trash),
        "discard": lambda: placing.discard(ground.note, seen, ground.trash),
        "rename": lambda: placing.rename(ground.note, seen, Spot(ground.jail, "renamed")),
    }
    with pytest.raises(ChangedError):
        acts[act]()
    assert ground.read("note") == "OLD"


def test_two_names_of_one_file_are_both_replaced(ground: Ground) -> None:
    (ground.root / "twin").hardlink_to(ground.root / "note")
    seen, twin = ground.stamp("note"), Spot(ground.jail, "twin")
    ground.write("staging/twin", "new too")
    placing.replace(ground.staged, ground.note, seen, ground.trash)
    placing.replace(Spot(ground.jail, "staging/twin"), twin, seen, Spot(ground.jail, "trash/twin"))
    assert (ground.read("note"), ground.read("twin")) == ("new", "new too")
    assert (ground.read("trash/note"), ground.read("trash/twin")) == ("old", "old")


@pytest.mark.parametrize("aside", [True, False])
def test_an_edit_in_the_moment_of_the_swap_is_put_back(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, *, aside: bool
) -> None:
    seen = ground.stamp("note")

    def save() -> None:
        if aside:
            ground.write("aside", "edited")
            (ground.root / "aside").replace(ground.root / "note")
        else:
            ground.write("note", "edited")

    just_before(monkeypatch, "exchange", save)
    with pytest.raises(ChangedError):
        placing.replace(ground.staged, ground.note, seen, ground.trash)
    assert ground.read("note") == "edited"


def test_the_name_is_never_missing_while_a_version_is_replaced(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []
    for name in ("link", "unlink", "rename", "replace"):
        real = getattr(os, name)

        def watched(*args: object, _real: Callable[..., None] = real, **more: object) -> None:
            seen.append(ground.read("note"))
            _real(*args, **more)
            seen.append(ground.read("note"))

        monkeypatch.setattr(os, name, watched)
    just_before(monkeypatch, "exchange", lambda: seen.append(ground.read("note")))
    placing.replace(ground.staged, ground.note, ground.stamp("note"), ground.trash)
    assert seen
    assert None not in seen


def test_of_two_edits_around_a_swap_the_newest_stays(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, edits = primitives.exchange, ["first", "second"]

    def raced(one: Place, two: Place) -> None:
        if edits:
            ground.write("aside", edits.pop(0))
            (ground.root / "aside").replace(ground.root / "note")
        real(one, two)

    seen = ground.stamp("note")
    monkeypatch.setattr(primitives, "exchange", raced)
    with pytest.raises(ChangedError):
        placing.replace(ground.staged, ground.note, seen, ground.trash)
    assert not edits
    assert ground.read("note") == "second"


def just_after(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None]) -> None:
    """Do `act` right after the system call `name` of the module `primitives`."""
    real = getattr(primitives, name)

    def raced(one: Place, two: Place) -> None:
        real(one, two)
        act()

    monkeypatch.setattr(primitives, name, raced)


def test_an_edit_right_after_a_replacement_is_not_taken_for_what_was_placed(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    just_after(monkeypatch, "exchange", lambda: ground.write("note", "saved right after"))
    stamp = placing.replace(ground.staged, ground.note, ground.stamp("note"), ground.trash)
    assert ground.read("note") == "saved right after"
    assert stamp != ground.stamp("note")


@pytest.mark.parametrize("act", ["place", "copy"])
def test_an_edit_right_after_placing_is_not_taken_for_what_was_placed(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    fresh, half = Spot(ground.jail, "fresh"), Spot(ground.jail, "staging/half")
    just_after(monkeypatch, "move_new", lambda: ground.write("fresh", "saved right after"))
    if act == "place":
        stamp = placing.place_new(ground.staged, fresh)
    else:
        stamp = placing.duplicate(ground.note, ground.stamp("note"), fresh, half)
    assert ground.read("fresh") == "saved right after"
    assert stamp != ground.stamp("fresh")


def test_a_name_that_appears_in_the_moment_of_placing_is_not_replaced(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Spot(ground.jail, "a/b/fresh")
    just_before(monkeypatch, "move_new", lambda: ground.write("a/b/fresh", "theirs"))
    with pytest.raises(ChangedError):
        placing.place_new(ground.staged, fresh)
    assert (ground.read("a/b/fresh"), ground.read("staging/note")) == ("theirs", "new")


def test_an_edit_in_the_moment_of_a_deletion_is_put_back(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = ground.stamp("note")
    just_before(monkeypatch, "move_new", lambda: ground.write("note", "edited"))
    with pytest.raises(ChangedError):
        placing.discard(ground.note, seen, ground.trash)
    assert ground.read("note") == "edited"


def test_an_edit_in_the_moment_of_a_rename_is_put_back(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = ground.stamp("note")
    just_before(monkeypatch, "move_new", lambda: ground.write("note", "edited"))
    with pytest.raises(ChangedError):
        placing.rename(ground.note, seen, Spot(ground.jail, "renamed"))
    assert (ground.read("note"), ground.read("renamed")) == ("edited", None)


def test_a_conflict_copy_shares_nothing_with_its_original(ground: Ground) -> None:
    copy, half = Spot(ground.jail, "copy"), Spot(ground.jail, "staging/half")
    ground.write("staging/half", "of a killed run")
    stamp = placing.duplicate(ground.note, ground.stamp("note"), copy, half)
    with (ground.root / "note").open("a") as file:
        file.write(" and more")
    assert ground.read("copy") == "old"
    assert stamp == ground.stamp("copy")
    assert stamp.mtime_ns != 0


def test_a_conflict_copy_never_replaces_another_file(ground: Ground) -> None:
    copy, half = Spot(ground.jail, "copy"), Spot(ground.jail, "staging/half")
    ground.write("copy", "theirs")
    with pytest.raises(ChangedError):
        placing.duplicate(ground.note, ground.stamp("note"), copy, half)
    assert ground.read("copy") == "theirs"
    ground.write("copy", "old")
    placing.duplicate(ground.note, ground.stamp("note"), copy, half)
    assert ground.read("copy") == "old"
