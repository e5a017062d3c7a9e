"""Random histories: what people do to two sides of a project between two runs.

A history is plain data. Its repr is the test that replays it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

LOCAL, REMOTE = "local", "remote"
SIDES = (LOCAL, REMOTE)

FILES = ("a.md", "n.txt", "d/a.md", "d/e/b.md", "x", "x/a.md", "x/y", "x/y/b.md")
FRESH_NAMES = ("new.md", "moved/new.md")
FOLDERS = ("d", "d/e", "x", "x/y", "new")
PATTERNS = ("*.txt", "d/e", "x")

EMPTY, ONE, TWO, LONG, FRESH, FRESH_LONG = range(6)
"""What a file holds: nothing, one of two shared texts of one size, a longer one, or news."""


@dataclass(frozen=True)
class Write:
    """Write a file; a file or a folder in its way goes.

    time: "now", "kept" (that of the version it replaces), "old" or "fixed". aside: as editors do,
    written beside and renamed.
    """

    side: str
    path: str
    what: int = FRESH
    time: str = "now"
    aside: bool = False


@dataclass(frozen=True)
class Touch:
    """Move the time of a file."""

    side: str
    path: str


@dataclass(frozen=True)
class Delete:
    """Delete a file, or a folder with all in it."""

    side: str
    path: str


@dataclass(frozen=True)
class Rename:
    """Rename a file or a folder; nothing happens when the new name is taken."""

    side: str
    path: str
    to: str


@dataclass(frozen=True)
class MakeFolder:
    """Make a folder; nothing happens on a store without folders."""

    side: str
    path: str


@dataclass(frozen=True)
class Block:
    """Put a pipe where a file was: a path that cannot be synced."""

    side: str
    path: str


@dataclass(frozen=True)
class OnCopy:
    """Write or delete a conflict copy, the `which`th there is."""

    side: str
    which: int
    delete: bool


@dataclass(frozen=True)
class Exclude:
    """Declare other filters."""

    patterns: tuple[str, ...]


Edit = Write | Touch | Delete | Rename | MakeFolder | Block | OnCopy | Exclude


@dataclass(frozen=True)
class Policy:
    """What the manifest says of the project."""

    mode: str = "two-way"
    direction: str = "up"
    winner: str = "newer"
    loser: str = "copy"
    compare: str = "auto"
    verify: str = "checksum"


@dataclass(frozen=True)
class History:
    """A project's life: one tuple of edits before each run."""

    policy: Policy
    rounds: tuple[tuple[Edit, ...], ...]


_sides = st.sampled_from(SIDES)
_files = st.sampled_from(FILES)
_any = st.sampled_from(tuple(dict.fromkeys(FILES + FOLDERS)))
_writes = st.builds(
    Write,
    _sides,
    _files,
    st.sampled_from(range(6)),
    st.sampled_from(("now", "now", "kept", "old", "fixed")),
    st.booleans(),
)


_others = st.one_of(
    st.builds(Touch, _sides, _files),
    st.builds(Delete, _sides, _any),
    st.builds(Delete, _sides, _files),
    st.builds(Rename, _sides, _any, _any),
    st.builds(OnCopy, _sides, st.integers(0, 1), st.booleans()),
    st.builds(MakeFolder, _sides, _any),
    st.builds(Block, _sides, _files),
    st.builds(Exclude, st.lists(st.sampled_from(PATTERNS), unique=True).map(tuple)),
)


def _on(side: str, path: str) -> st.SearchStrategy[Edit]:
    return st.one_of(
        st.builds(
            Write,
            st.just(side),
            st.just(path),
            st.sampled_from(range(6)),
            st.sampled_from(("now", "kept", "fixed")),
            st.booleans(),
        ),
        st.builds(Delete, st.just(side), st.just(path)),
        st.builds(Rename, st.just(side), st.just(path), _any),
    )


plain_edits = st.tuples(_sides, _files).flatmap(lambda at: _on(*at))
"""One edit of a file, after which everything can be synced."""

_renamed = st.one_of(
    st.tuples(st.builds(Rename, _sides, _files, st.sampled_from(FRESH_NAMES))),
    st.builds(
        lambda side, old, new: (Delete(side, old), Write(side, new)),
        _sides,
        _files,
        st.sampled_from(FRESH_NAMES),
    ),
)
_on_both = _files.flatmap(lambda path: st.tuples(_on(LOCAL, path), _on(REMOTE, path)))
_edits: st.SearchStrategy[tuple[Edit, ...]] = st.one_of(
    st.tuples(_writes), st.tuples(_others), _on_both, _renamed
)


def _flat(edits: list[tuple[Edit, ...]]) -> tuple[Edit, ...]:
    return tuple(edit for group in edits for edit in group)


two_way = st.builds(
    Policy,
    winner=st.sampled_from(
        ("newer", "newer", "older", "larger", "smaller", "local", "remote", "both", "stop")
    ),
    loser=st.sampled_from(("copy", "copy", "trash")),
    compare=st.sampled_from(("auto", "auto", "checksum", "full")),
    verify=st.sampled_from(("checksum", "size")),
)
one_way = st.builds(
    Policy,
    mode=st.sampled_from(("mirror", "mirror", "push", "pull")),
    direction=st.sampled_from(("up", "down")),
    winner=st.sampled_from(("newer", "local", "remote")),
    loser=st.sampled_from(("copy", "trash")),
)


_start = st.lists(st.sampled_from([f for f in FILES if not f.startswith("x/")]), unique=True).map(
    lambda names: tuple(Write(LOCAL, name) for name in names)
)


_spells = st.builds(
    lambda start, kind, more, then: (
        (*start, Write(LOCAL, kind[1])),
        (Exclude((kind[0],)),),
        more,
        (Exclude(()), *then),
    ),
    _start,
    st.sampled_from((("*.txt", "n.txt"), ("d/e", "d/e/b.md"), ("x", "x/y"))),
    st.lists(_edits, max_size=4).map(_flat),
    st.lists(_edits, max_size=2).map(_flat),
)
"""A rule comes and goes again, with edits while it holds."""


def histories() -> st.SearchStrategy[History]:
    """Return a history of two to four rounds; in the first some files are new here."""
    first = st.builds(lambda new, more: new + more, _start, st.lists(_edits, max_size=3).map(_flat))
    later = st.lists(st.lists(_edits, min_size=1, max_size=6).map(_flat), min_size=1, max_size=3)
    rounds = st.one_of(st.builds(lambda one, rest: (one, *rest), first, later), _spells)
    return st.builds(History, st.one_of(two_way, two_way, one_way), rounds)
