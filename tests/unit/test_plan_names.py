from __future__ import annotations

import os

import pytest

from bm_sync.plan.names import conflict_name, looks_kept, moment

WHEN = "20261122T0715"
NS = 1_000_000_000


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("note.md", "note.conflict-20261122T0715-laptop.md"),
        ("d/note", "d/note.conflict-20261122T0715-laptop"),
        ("a.tar.gz", "a.tar.conflict-20261122T0715-laptop.gz"),
        (".bashrc", ".bashrc.conflict-20261122T0715-laptop"),
        ("x.", "x.conflict-20261122T0715-laptop."),
    ],
)
def test_a_conflict_copy_keeps_its_extension(path: str, name: str) -> None:
    assert conflict_name(path, when=WHEN, who="laptop") == name
    assert looks_kept(name)
    assert not looks_kept(path)


def test_a_second_copy_is_numbered_before_the_extension() -> None:
    assert conflict_name("a.md", when=WHEN, who="h", turn=3) == f"a.conflict-{WHEN}-h-3.md"


@pytest.mark.parametrize(("who", "said"), [("a b/c", "a-b-c"), ("é", "-"), ("", "unknown")])
def test_who_is_made_of_safe_characters(who: str, said: str) -> None:
    assert conflict_name("x", when=WHEN, who=who) == f"x.conflict-{WHEN}-{said}"


@pytest.mark.parametrize(
    "name", ["a" * 255, "é" * 127, "\U0001f600" * 63, "\udce9" * 255, "a." + "b" * 253]
)
def test_a_name_is_never_too_long(name: str) -> None:
    made = conflict_name(f"d/{name}", when=WHEN, who="h" * 300, turn=12)
    folder, _, last = made.partition("/")
    assert folder == "d"
    assert len(os.fsencode(last)) <= 255
    assert f".conflict-{WHEN}-h" in last


@pytest.mark.parametrize(
    ("mtime_ns", "said"),
    [
        (0, "19700101T0000"),
        (-NS, "19691231T2359"),
        (1_795_331_700 * NS, "20261122T0715"),
        (2**62, "21160220T2353"),
        (-(2**100), "now"),
        (2**100, "now"),
        (None, "now"),
    ],
)
def test_times_are_told_in_utc_and_absurd_ones_are_not_told(
    mtime_ns: int | None, said: str
) -> None:
    assert moment(mtime_ns, "now") == said
