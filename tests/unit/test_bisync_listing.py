"""Listings of bisync are read as they are written, and torn ones say so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.rclone.bisync_listing import Listed, read, written
from bm_sync.rclone.bisync_rules import only

_names = st.text(
    st.characters(
        exclude_characters="/\x00",
        categories=("L", "M", "N", "P", "S", "Z", "Cc", "Cf", "Co", "Cn"),
    ),
    min_size=1,
    max_size=8,
).filter(lambda name: name not in {".", ".."})
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)
_rows = st.builds(
    Listed,
    _paths,
    st.integers(0, 1 << 50),
    st.none() | st.integers(-(10**18), 10**19),
    st.none() | st.just("md5:0123456789abcdef0123456789abcdef"),
    st.booleans(),
)


@given(st.dictionaries(_paths, _rows, max_size=6))
def test_what_is_written_is_read_again(rows: dict[str, Listed]) -> None:
    told = {path: row._replace(path=path) for path, row in rows.items()}
    listing = read(written(told.values()))
    assert listing is not None
    assert (listing.rows, listing.odd) == (told, 0)


def test_what_rclone_wrote_is_read() -> None:
    text = (
        "# bisync listing v1 from 2026-11-22T07:15:00.000000000+0000\n"
        '-       12 - - 2026-11-22T07:15:00.123456789+0000 "plain.md"\n'
        '-        3 md5:0123 - 0001-01-01T00:00:00.000000000+0000 "q\\"\\u00a0\\\\ \\U0001f600"\n'
        'd       -1 - - 2026-11-22T08:15:00.000000000+0100 "folder"\n'
        '-        1 - - 2026-11-22T08:15:00.000000000+0100 "bad \\xff byte"\n'
    )
    listing = read(text.encode())
    assert listing is not None
    moment = 1_795_331_700_123_456_789
    odd = "bad \udcff byte"
    assert listing.rows == {
        "plain.md": Listed("plain.md", 12, moment),
        'q"\xa0\\ 😀': Listed('q"\xa0\\ 😀', 3, None, "md5:0123"),
        "folder": Listed("folder", -1, moment - 123_456_789, None, is_dir=True),
        odd: Listed(odd, 1, moment - 123_456_789),
    }
    assert listing.odd == 0


@pytest.mark.parametrize(
    "line",
    [
        '-       12 - - 2026-11-22T07:15:00.123456789+0000 "torn',
        '-       12 - - 2026-13-22T07:15:00.123456789+0000 "month.md"',
        '-       12 - - 2026-11-22T07:15:00.123456789+0000 "../out.md"',
        '-       12 - - 2026-11-22T07:15:00.123456789+0000 "\\U7fffffff"',
        "nonsense",
    ],
)
def test_a_line_that_says_nothing_of_a_file_is_counted(line: str) -> None:
    good = written([Listed("a.md", 1)]).decode()
    listing = read((good + line).encode())
    assert listing is not None
    assert list(listing.rows) == ["a.md"]
    assert listing.odd == 1


def test_another_file_is_no_listing() -> None:
    assert read(b"something else\n") is None
    assert read(b"") is None


def test_rules_name_each_folder_once_and_let_nothing_else_through() -> None:
    assert only(["a.md", "d/x.md", "b.md", "d/e/{y},*.md"]) == [
        "+ /{a.md,b.md}",
        "+ /d/e/{\\x7by\\x7d\\x2c\\x2a.md}",
        "+ /d/{x.md}",
        "- **",
    ]
