"""Three versions of a text merge cleanly or not at all, and cleanly as git merges them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bm_sync.engine.merge3 import MOST_LINES, merge

NOTE = b"# Title\n\nfirst paragraph\n\nsecond paragraph\n\nthird paragraph\n"
_texts = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"d"]), max_size=8).map(b"".join)


def test_changes_of_different_paragraphs_merge() -> None:
    one = NOTE.replace(b"first paragraph", b"the first one")
    two = NOTE.replace(b"third paragraph\n", b"third paragraph\n\nand a fourth\n")
    both = one.replace(b"third paragraph\n", b"third paragraph\n\nand a fourth\n")
    assert merge(NOTE, one, two) == both
    assert merge(NOTE, two, one) == both


def test_changes_that_meet_do_not_merge() -> None:
    one = NOTE.replace(b"second", b"my second")
    assert merge(NOTE, one, NOTE.replace(b"second", b"your second")) is None
    assert merge(NOTE, one, NOTE.replace(b"second paragraph\n", b"")) is None


def test_changes_of_neighbouring_lines_do_not_merge() -> None:
    base = b"a\nb\nc\n"
    assert merge(base, b"A\nb\nc\n", b"a\nB\nc\n") is None
    assert merge(base, b"A\nb\nc\n", b"a\nb\nC\n") == b"A\nb\nC\n"


def test_the_same_change_on_both_sides_is_taken_once() -> None:
    same = NOTE.replace(b"second", b"2nd")
    assert merge(NOTE, same, same) == same
    assert merge(NOTE, same.replace(b"first", b"1st"), same) == same.replace(b"first", b"1st")


def test_a_last_line_without_an_end_is_a_line_of_its_own() -> None:
    assert merge(b"a\nb\nc", b"A\nb\nc", b"a\nb\nc\n") == b"A\nb\nc\n"


def test_a_text_of_very_many_lines_is_not_merged() -> None:
    base = b"x\n" * (MOST_LINES + 1)
    assert merge(base, b"a\n" + base, base + b"b\n") is None


@given(_texts, _texts, _texts)
def test_an_unchanged_side_takes_the_other_and_sides_may_be_swapped(
    base: bytes, one: bytes, two: bytes
) -> None:
    assert merge(base, one, base) == one
    assert merge(base, base, two) == two
    assert merge(base, one, one) == one
    assert merge(base, one, two) == merge(base, two, one)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(range(8)), unique=True, max_size=3),
    st.lists(st.sampled_from(range(8)), unique=True, max_size=3),
)
def test_edits_of_distinct_lines_end_as_git_ends_them(mine: list[int], theirs: list[int]) -> None:
    lines = [f"line {n}\n" for n in range(8)]
    base = "".join(lines).encode()
    one = _edited(lines, mine, "mine")
    two = _edited(lines, theirs, "theirs")
    assert merge(base, one, two) == _by_git(base, one, two)


def _edited(lines: list[str], which: list[int], by: str) -> bytes:
    return "".join(f"{by} {n}\n" if n in which else line for n, line in enumerate(lines)).encode()


def _by_git(base: bytes, one: bytes, two: bytes) -> bytes | None:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("one", "base", "two")]
        for file, text in zip(files, (one, base, two), strict=True):
            file.write_bytes(text)
        words = ["git", "merge-file", "-p", *map(str, files)]
        done = subprocess.run(words, capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else None
