"""What is fuzzed: each reader of something that others may have written, with the law it keeps."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.state_world import world
from hypothesis import strategies as st
from unit.test_manifest_fuzz import damaged, outcome
from unit.test_plan_wire import rich
from unit.test_state_runs import KEY, RUN, write

from bm_sync.cli.saved import read_plan
from bm_sync.engine.lease_note import MAX_BYTES, Note, decode, encode
from bm_sync.errors import StateError, UsageError
from bm_sync.filters.matcher import Matcher
from bm_sync.filters.rules import check, parse
from bm_sync.model.config import BUILT_IN, FilterSet, Rule
from bm_sync.model.plan import Plan
from bm_sync.plan import wire as plans
from bm_sync.plan.wire import digest, from_json, to_json
from bm_sync.rclone.names import from_standard, to_standard, usable
from bm_sync.rclone.wire import Unusable, entry_of
from bm_sync.state.leases import LeaseMemory
from bm_sync.state.store import State
from bm_sync.state.wire import run_from_json, run_to_json
from bm_sync.structs import replace

_CPU_S = 5.0


@dataclass(frozen=True)
class Target:
    """One reader: what it is given, and what has to hold."""

    values: st.SearchStrategy[Any]
    holds: Callable[[Any], None]


# Manifests.


def _manifest(text: str) -> None:
    assert outcome(text)


def _manifest_bytes(data: bytes) -> None:
    assert outcome(data.decode("utf-8", "surrogateescape"))


# Filters.

_GLOBS = st.text(st.sampled_from("ab/*?[]!^-\\# .\u00e9\udcff\n\r"), max_size=30)
_PATHS = st.lists(
    st.text(st.sampled_from("ab*?[]!\\ .\u00e9\udcff\n"), min_size=1, max_size=12).filter(
        lambda name: name not in {".", ".."}
    ),
    min_size=1,
    max_size=4,
).map("/".join)


def _filters(given: tuple[list[str], str, list[str]]) -> None:
    """No pattern fails or takes long; what is remembered of filters decides as they did."""
    patterns, text, paths = given
    began = time.process_time()
    parse(text, "shown", "")
    rules = tuple(Rule(p, BUILT_IN) for p in patterns if check(p) is None)
    matcher = Matcher(FilterSet(rules=rules, gitignore=True))
    matcher.add_ignore_file("", text, "shown")
    again = Matcher.from_snapshot(matcher.snapshot())
    for path in paths:
        for is_dir in (True, False):
            verdict = matcher.excluded(path, is_dir=is_dir)
            assert again.excluded(path, is_dir=is_dir) is verdict
            assert matcher.excluded(f".bm-sync/{path}", is_dir=is_dir)
    assert time.process_time() - began < _CPU_S


_REPEATED = st.tuples(
    st.lists(st.sampled_from(["*a", "**/", "?*", "[a-z]*", "a/", "*"]), max_size=30).map("".join),
    st.integers(1, 200).map(lambda n: "a" * n),
)


def _greedy(given: tuple[str, str]) -> None:
    """A pattern with many stars does not look for its match for ever."""
    pattern, path = given
    _filters(([pattern], pattern, [path, "/".join(path[:40])]))


def _snapshot(text: str) -> None:
    """What is no snapshot is refused with a ValueError."""
    try:
        Matcher.from_snapshot(text).excluded("a/b", is_dir=False)
    except ValueError:
        return


# Listings.

_ODD = st.text(max_size=40) | st.text(
    st.sampled_from("./\\\u201b\uff0f\uff0e\u2400\u241b\u2421\x00\x1b\n ab%:"), max_size=40
)
_ITEMS = st.fixed_dictionaries(
    {"Path": _ODD, "Size": st.integers(-1, 2**63), "IsDir": st.booleans()},
    optional={
        "ModTime": st.datetimes().map(lambda d: f"{d:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + "Z")
        | st.sampled_from(["", "0001-01-01T00:00:00Z", "2020-01-01T00:00:00.123456789+02:00"]),
        "Hashes": st.dictionaries(st.sampled_from(["md5", "sha1", ""]), _ODD, max_size=2),
    },
)


def _listing(item: dict[str, Any]) -> None:
    """What is listed is a path inside the root, or named as none."""
    entry = entry_of(item)
    if isinstance(entry, Unusable):
        assert entry.name == item["Path"]
        return
    parts = entry.path.split("/")
    assert all(map(usable, parts))
    assert not {"", ".", ".."} & set(parts)
    assert "\0" not in entry.path
    assert from_standard(to_standard(entry.path)) == entry.path


# Plans, runs, leases and the state.

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)
_SPOILS = st.lists(st.tuples(st.lists(st.integers(0, 30), max_size=8), _JSON), max_size=3)


def _spoilt(body: Any, spoils: list[tuple[list[int], Any]]) -> Any:  # noqa: ANN401 - JSON
    """Return a copy of a JSON value with some of its parts replaced."""
    whole: Any = [json.loads(json.dumps(body))]
    for way, value in spoils:
        inside: Any = whole
        step: Any = 0
        for turn in way:
            found = inside[step]
            if isinstance(found, dict) and found:
                inside, step = found, sorted(found)[turn % len(found)]
            elif isinstance(found, list) and found:
                inside, step = found, turn % len(found)
            else:
                break
        inside[step] = value
    return whole[0]


def _plan(spoils: list[tuple[list[int], Any]]) -> None:
    """A plan that is read leads nowhere else, even when its digest was forged."""
    body = _spoilt(to_json(rich()), spoils)
    for forged in (False, True):
        try:
            plan = plans.read(body) if forged else from_json(body)
            _leads_nowhere_else(plan)
            assert digest(plan.projects)
        except UsageError:
            continue


def _leads_nowhere_else(plan: Plan) -> None:
    for project in plan.projects:
        for action in project.actions:
            for name in ("path", "old_path", "copy_path", "kept_as", "kept"):
                path = getattr(action, name, None) or "none"
                assert not path.startswith("/")
                assert not {"..", "."} & set(path.split("/"))


def _saved(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "saved.plan")
        file.write_bytes(data)
        with suppress(UsageError):
            read_plan(file, {})


def _run(spoils: list[tuple[list[int], Any]]) -> None:
    try:
        run_from_json(_spoilt(run_to_json(RUN), spoils))
    except ValueError:
        return


def _lease(data: bytes) -> None:
    note = decode(data)
    if note is not None:
        assert decode(encode(note)) == note
        assert 1.0 <= note.keep_s <= 600.0
        assert len(data) <= MAX_BYTES


_NOTES = st.builds(
    lambda spoils: json.dumps(
        _spoilt({"bm-sync": "lease", **json.loads(encode(Note("r", "p", "h", 1, "s")))}, spoils)
    ).encode(errors="surrogatepass"),
    _SPOILS,
)


def _memory(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "locks").mkdir(mode=0o700)
        Path(folder, "locks", "key.lease").write_bytes(data)
        memory = LeaseMemory(Path(folder), "key")
        memory.ours()
        assert memory.unchanged_s(b"lease", 1.0) >= 0.0
        memory.taking("run")
        assert "run" in memory.ours()


def _database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with State.open(Path(folder, "state")) as state:
            write(state)
        return Path(folder, "state", "state.db").read_bytes()


_WHOLE = _database()
_FLIPS = st.lists(
    st.tuples(st.integers(0, len(_WHOLE) - 1), st.binary(min_size=1, max_size=40)),
    min_size=1,
    max_size=5,
)


def _state(flips: list[tuple[int, bytes]]) -> None:
    """A damaged state is read, or moved aside and begun anew; a run can always be written."""
    data = bytearray(_WHOLE)
    for at, piece in flips:
        data[at : at + len(piece)] = piece
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "state")
        place.mkdir(mode=0o700)
        place.joinpath("state.db").write_bytes(bytes(data))
        for number in range(3):  # met in use, then moved aside
            try:
                _use(place, f"20261123T071500Z-{number}")
            except StateError as e:
                if "newer bm-sync" in e.what:
                    return  # what a flip in the number of the version says
                assert number < 2
            else:
                break
        with State.peek(place) as state:
            assert len(state.runs(1)) == 1


def _use(place: Path, run: str) -> None:
    with State.open(place) as state:
        state.project(KEY)
        state.runs()
        with suppress(StateError):  # the record of one run alone may be lost
            state.run(RUN.id)
        state.projects()
        state.past.held(KEY)
        write(state, replace(RUN, id=run))


def _state_used(seed: int) -> None:
    """With a spoilt state no command is a bug, hangs, hides another record or loses a file."""
    world().local(seed)


def _state_fetched(seed: int) -> None:
    """A spoilt state that is fetched is refused, or only what is right of it comes in."""
    world().fetched(seed)


TARGETS = {
    "manifest": Target(damaged(), _manifest),
    "manifest-bytes": Target(st.binary(max_size=400), _manifest_bytes),
    "filters": Target(
        st.tuples(st.lists(_GLOBS, max_size=6), _GLOBS, st.lists(_PATHS, max_size=6)), _filters
    ),
    "filters-greedy": Target(_REPEATED, _greedy),
    "filters-snapshot": Target(
        _JSON.map(json.dumps) | st.text(max_size=80),
        _snapshot,
    ),
    "listing": Target(_ITEMS, _listing),
    "plan": Target(_SPOILS, _plan),
    "plan-bytes": Target(
        st.binary(max_size=200) | _JSON.map(lambda v: json.dumps(v).encode()), _saved
    ),
    "run": Target(_SPOILS, _run),
    "lease": Target(st.binary(max_size=200) | _NOTES, _lease),
    "lease-memory": Target(
        st.binary(max_size=200) | _JSON.map(lambda v: json.dumps(v).encode()), _memory
    ),
    "state": Target(_FLIPS, _state),
    "state-used": Target(st.integers(0, 2**32), _state_used),
    "state-fetched": Target(st.integers(0, 2**32), _state_fetched),
}
