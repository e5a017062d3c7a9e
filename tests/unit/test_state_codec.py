"""Values of the model go into JSON and come back by their type hints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bm_sync.model.plan import Clash, Stop, Totals
from bm_sync.model.run import Done, ProjectRun
from bm_sync.model.tree import Problem
from bm_sync.state.codec import build, flatten
from bm_sync.state.machine import machine_id

VALUES = st.one_of(
    st.builds(Clash),
    st.builds(Done),
    st.builds(Problem),
    st.builds(Stop),
    st.builds(Totals),
    st.builds(ProjectRun, seconds=st.floats(allow_nan=False, allow_infinity=False)),
)


@given(VALUES)
def test_every_value_survives_the_way_through_json(value: object) -> None:
    assert build(type(value), json.loads(json.dumps(flatten(value)))) == value


def test_a_field_that_an_older_version_did_not_write_takes_its_default() -> None:
    assert build(Totals, {"up": 3}) == Totals(up=3)


@pytest.mark.parametrize("value", [None, [], "x", {"up": "3"}, {"up": True}, {"up": None}])
def test_what_does_not_fit_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        build(Totals, value)


def test_a_hint_without_a_rule_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        names: dict[str, str]

    Odd.__annotations__["names"] = dict[str, str]
    with pytest.raises(TypeError, match="no rule"):
        build(Odd, {"names": {}})


def test_machines_are_told_apart_without_showing_their_id(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "two").write_text("ffff456789abcdef0123456789abcdef\n")
    (tmp_path / "none").write_text("")
    (tmp_path / "early").write_text("uninitialized\n")
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    one, two = machine_id(tmp_path / "one"), machine_id(tmp_path / "two")
    assert one == machine_id(tmp_path / "one")
    assert one != two
    assert one is not None
    assert "0123" not in one
    for name in ("none", "early", "odd", "missing"):
        assert machine_id(tmp_path / name) is None
