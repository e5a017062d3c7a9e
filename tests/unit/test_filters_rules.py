"""Ignore files are read as git reads them; hopeless patterns are told."""

from __future__ import annotations

import pytest

from bm_sync.filters.matcher import Matcher
from bm_sync.filters.rules import check, parse
from bm_sync.model.config import FilterSet, Origin


def patterns(text: str) -> list[str]:
    return [rule.pattern for rule in parse(text, ".gitignore", "")[0]]


def test_comments_blank_lines_and_the_byte_order_mark_are_no_patterns() -> None:
    assert patterns("\ufeff# one\n\n   \na\n\\#b\n") == ["a", "\\#b"]


def test_windows_line_ends_are_dropped_also_from_the_last_line() -> None:
    assert patterns("a\r\nb\r\n\r\nc\r") == ["a", "b", "c"]


def test_only_spaces_at_the_end_go_and_only_unprotected_ones() -> None:
    assert patterns("a  \n b\nc\t\nd\\ \ne\\  \nf\\\\ \n") == [
        "a",
        " b",
        "c\t",
        "d\\ ",
        "e\\ ",
        "f\\\\",
    ]


def test_a_rule_knows_its_file_line_and_folder() -> None:
    (rule,), bad = parse("\n# c\n*.log\n", "a/.gitignore", "a")
    assert rule.origin == Origin("a/.gitignore", 3)
    assert rule.base == "a"
    assert bad == ()


def test_a_bad_pattern_of_a_file_is_told_and_left_out() -> None:
    good, bad = parse("a\nb[\nc\n", "f", "")
    assert [rule.pattern for rule in good] == ["a", "c"]
    assert [b.origin for b in bad] == [Origin("f", 2)]
    assert bad[0].what == "The pattern has a [ that is never closed, so it never matches."


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("a\\", "backslash"),
        ("a\\/", "backslash"),
        ("!a\\", "backslash"),
        ("a[b", "never closed"),
        ("a[]", "never closed"),
        ("[!]", "never closed"),
        ("[a\\]", "never closed"),
        ("[[:alpha:]", "never closed"),
        ("[[:word:]]", "[:word:]"),
        ("[/]", "no character"),
        ("a\0b", "NUL"),
        ("a\nb", "line break"),
        ("/", "names nothing"),
        ("!", "names nothing"),
        ("a//b", "two slashes"),
        ("a//", "two slashes"),
        ("./a", '"."'),
        ("a/../b", '".."'),
        ("./[ab]", '"."'),
    ],
)
def test_a_hopeless_pattern_is_told_why(pattern: str, word: str) -> None:
    what = check(pattern)
    assert what is not None
    assert word in what
    assert what.endswith(", so it never matches.")


@pytest.mark.parametrize(
    "pattern",
    ["a", "*", "**", "a/**/b", "[]]", "[!]]", "[a-z]", "[[:alpha:]_-]", "a\\ ", "\\!a", "{a,b}",
     "!a/", "[z-a]", "x**//y",
        "x**/./y",
        "[a/./b]", "..a", "*.", "a\\\\", "é", "[é]", "a\udc80"],
)  # fmt: skip
def test_a_pattern_that_may_match_is_fine(pattern: str) -> None:
    assert check(pattern) is None


def test_a_hostile_pattern_and_name_cost_no_time_to_speak_of() -> None:
    # With ordinary backtracking each of these runs for longer than the time limit of the tests.
    hostile = ("*a" * 40 + "b", "**/a/" * 30 + "b", "x" + "**a" * 40 + "/**/" + "*a" * 40 + "b")
    text = "\n".join((*hostile, "[a-a]" * 3 + "*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]*[a]c")) + "\n"
    m = Matcher(FilterSet())
    assert m.add_ignore_file("", text, "f") == ()
    assert not m.excluded("a" * 250, is_dir=False)
    assert not m.excluded("/".join("a" * 200), is_dir=False)
    assert not m.excluded("x" + "a" * 200 + "/a" * 50, is_dir=False)
