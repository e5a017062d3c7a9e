from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.cli.render.text import age, columns, duration, escape, size, tame, width
from bm_sync.cli.render.view import Paint, View, quoted

_STEERING = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]


@pytest.mark.parametrize("code", _STEERING)
def test_no_character_that_steers_a_terminal_or_turns_the_order_is_printed(code: int) -> None:
    shown = escape(f"a{chr(code)}b")
    assert shown.startswith("a\\")
    assert shown.isprintable()


@given(st.text(st.characters(), max_size=30))
def test_every_name_becomes_one_printable_line(name: str) -> None:
    shown = escape(name)
    assert "\n" not in shown
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


def test_ordinary_names_of_all_scripts_are_printed_as_they_are() -> None:
    for name in ("todo list.md", "Zürich/été.md", "日本語.md", "👩\u200d🚀.md", "e\u0301.md"):
        assert escape(name) == name


def test_bytes_that_are_not_utf8_are_shown_as_bytes() -> None:
    assert escape(b"caf\xe9.md".decode("utf-8", "surrogateescape")) == "caf\\xe9.md"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (4096, "4.0 KB"),
        (150 * 1024, "150 KB"),
        (1_000_000, "977 KB"),
        (4_300_000, "4.1 MB"),
        (5 << 30, "5.0 GB"),
        (1 << 62, "4.0 EB"),
    ],
)
def test_sizes_are_powers_of_1024(number: int, shown: str) -> None:
    assert size(number) == shown


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(0), "now"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=3), "3 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=9), "9 days ago"),
        (timedelta(days=90), "2026-08-24"),
        (timedelta(hours=-1), "2026-11-22 08:15Z"),
    ],
)
def test_ages_are_told_in_one_figure(ago: timedelta, shown: str) -> None:
    now = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)
    assert age(f"{(now - ago).replace(tzinfo=None).isoformat()}Z", now) == shown


def test_durations_have_two_figures_at_most() -> None:
    assert [duration(s) for s in (0.04, 9.96, 59.9, 185, 7450)] == [
        "0.0 s",
        "10.0 s",
        "59 s",
        "3 min 5 s",
        "2 h 4 min",
    ]


def test_columns_of_wide_and_combining_characters_stay_aligned() -> None:
    lines = columns([("日本", "1"), ("e\u0301", "22"), ("plain", "333")], "<>")
    assert len({width(line) for line in lines}) == 1
    assert lines[2] == "plain  333"


def test_a_column_that_is_empty_everywhere_takes_no_room() -> None:
    assert columns([("a", "", "b")], "<<<") == ["a  b"]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_pasted_word_reaches_the_shell_as_it_was(word: str) -> None:
    assert escape(quoted(word)) == quoted(word)


_WORDS = ("plain", "two words", "it's", "a\nb\x1b[2J", "$(x) `y` \\", "é\x85")


@pytest.mark.parametrize("word", _WORDS)
def test_bash_reads_a_pasted_word_as_it_was(word: str) -> None:
    said = subprocess.run(
        ["bash", "-c", f"printf %s {quoted(word)}"], capture_output=True, check=True
    )
    assert said.stdout == word.encode()


def test_pasted_commands_repeat_the_manifest_and_the_state_directory() -> None:
    view = View(named=("-f", "my notes.yaml"), around=("--state-dir", "/s"))
    assert view.command("apply", "a") == "bm-sync apply a -f 'my notes.yaml' --state-dir /s"
    assert view.command("apply", "x.plan", manifest=False) == "bm-sync apply x.plan --state-dir /s"


STEERING = [
    "\x1b]0;PWN\x07",
    "\x9b31m",
    "\u202e",
    "\u2066",
    "\r",
    "\x00",
    "\x7f",
    "\udcff",
    "\u2028",
]


@pytest.mark.parametrize("odd", STEERING)
def test_nothing_that_is_printed_steers_a_terminal(odd: str) -> None:
    shown = tame(f"a{odd}b\n\tc é\u200d\n", coloured=True)
    assert odd not in shown
    assert shown.endswith("b\n\tc é\u200d\n")
    assert shown == tame(shown)


def test_our_own_colours_stay_on_a_terminal_and_nowhere_else() -> None:
    red = Paint(on=True)("no", "red")
    assert tame(f"{red}\n", coloured=True) == f"{red}\n"
    assert "\x1b" not in tame(red)
    assert "\x1b" not in tame("\x1b[8mhidden\x1b[2J", coloured=True)


def test_a_quiet_text_comes_as_it_is() -> None:
    text = "plain\n\ttext é 漢 \U0001f600\n"
    assert tame(text) == text
