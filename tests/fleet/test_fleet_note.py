"""What machines say of themselves: nothing of it is lost, and nothing hostile comes through."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from bm_sync.engine.fleet_note import (
    MAX_BYTES,
    NoNoteError,
    decode,
    encode,
    file_name,
    identity,
    is_file_name,
    judged,
    read,
)
from bm_sync.model.fleet import FleetNote, FleetProject, Standing
from bm_sync.paths import schema_file
from bm_sync.structs import replace

# a loaded machine is slow, which says nothing of what is tested
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ENDED = "2026-11-22T11:00:00Z"
WELL = FleetProject("notes", "in-sync", ENDED, ENDED, 3, 30, 0)
NOTE = FleetNote(
    "laptop", "0a1b2c3d", "0.1.0", "d" * 64, "r1", ENDED, 0, "2026-11-22T12:15:00Z", (WELL,)
)


def changed(**fields: Any) -> bytes:  # noqa: ANN401 - anything may lie there
    said = json.loads(encode(NOTE))
    return json.dumps({**said, **fields}).encode()


def test_a_note_comes_back_as_it_was_said() -> None:
    assert decode(encode(NOTE)) == NOTE


def test_a_note_is_what_its_schema_says() -> None:
    schema = json.loads(schema_file("fleet").read_text("utf-8"))
    said = json.loads(encode(NOTE))
    assert [e.message for e in Draft7Validator(schema).iter_errors(said)] == []


def test_a_note_with_too_many_projects_keeps_the_worst_and_counts_the_others() -> None:
    bad = replace(WELL, name="zz-stopped", result="stopped")
    many = [replace(WELL, name=f"project-{number:05}") for number in range(5000)]
    data = encode(replace(NOTE, projects=(*many, bad)))
    assert len(data) <= MAX_BYTES
    note = decode(data)
    assert note.projects[0] == bad
    assert 500 < len(note.projects) < 5001
    assert len(note.projects) + note.unsaid == 5001


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{",
        b"[" * 100_000,
        b" " * (MAX_BYTES + 1),
        changed(kind="status"),
        changed(version=2),
        changed(version=None),
        changed(host=7),
        changed(host=""),
        changed(host="h" * 300),
        changed(exit="0"),
        changed(ended="yesterday"),
        changed(ended="2026-11-22T11:00:00"),
        changed(ended=None),
        changed(next="soon"),
        changed(projects={}),
        changed(projects=[{}]),
        changed(projects=[{**json.loads(encode(NOTE))["projects"][0], "result": "grand"}]),
        changed(projects=[{**json.loads(encode(NOTE))["projects"][0], "files": -1}]),
        changed(projects=[{**json.loads(encode(NOTE))["projects"][0], "name": ["x"]}]),
    ],
)
def test_what_is_no_note_is_told_and_breaks_nothing(data: bytes) -> None:
    found = read(data)
    assert isinstance(found, NoNoteError)
    assert found.what


@CALM
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside),
        max_leaves=10,
    ),
    st.sampled_from([*json.loads(encode(NOTE))]),
)
def test_any_value_in_any_field_is_taken_or_refused(value: object, field: str) -> None:
    found = read(changed(**{field: value}))
    if isinstance(found, FleetNote):
        judged([("laptop-0a1b2c3d.json", found)], "d" * 64, NOW, 60.0)


def test_what_a_newer_version_adds_is_passed_over() -> None:
    assert decode(changed(mood="cheerful")) == NOTE


def test_machines_of_one_name_have_files_of_their_own() -> None:
    one = identity("laptop", "m1", "/state")
    assert one == identity("laptop", "m1", "/state")
    others = [identity("laptop", "m2", "/state"), identity("laptop", "m1", "/other")]
    assert len({one, *others}) == 3


@CALM
@given(st.text(min_size=1, max_size=80))
def test_the_name_of_a_file_is_safe_for_every_host_name(host: str) -> None:
    name = file_name(host, identity(host, None, "/state"))
    assert is_file_name(name)
    assert not name.startswith((".", "-"))


@pytest.mark.parametrize(
    "name",
    ["a.json", "../a-0a1b2c3d.json", "a/b-0a1b2c3d.json", "A-0a1b2c3d.json", "a-0a1b2c3d.json\n"],
)
def test_what_no_machine_would_name_its_file_is_not_read(name: str) -> None:
    assert not is_file_name(name)


@pytest.mark.parametrize(
    ("fields", "max_age_s", "standing"),
    [
        ({}, None, Standing.FINE),
        ({}, 3601.0, Standing.FINE),
        ({}, 3599.0, Standing.LATE),
        ({"exit": 1}, None, Standing.FAILING),
        ({"exit": 3}, 1.0, Standing.FAILING),
        ({"exit": 5}, None, Standing.FINE),
        ({"exit": 75}, None, Standing.FINE),
        ({"ended": f"{NOW + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}, 60.0, Standing.AHEAD),
        ({"ended": f"{NOW + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"}, 60.0, Standing.FINE),
    ],
)
def test_a_machine_stands_as_its_last_run_says(
    fields: dict[str, Any], max_age_s: float | None, standing: Standing
) -> None:
    (host,) = judged([("f", replace(NOTE, **fields))], "e" * 64, NOW, max_age_s)
    assert host.standing is standing
    assert host.same_manifest is False


def test_the_worst_machine_and_the_worst_project_come_first() -> None:
    stopped = replace(WELL, name="zz", result="stopped")
    never = replace(WELL, name="aa", result=None)
    fine = replace(NOTE, projects=(WELL, never, stopped))
    unread = NoNoteError("it is no JSON")
    notes: list[tuple[str, FleetNote | NoNoteError]] = [
        ("a", fine),
        ("b", replace(NOTE, exit=3)),
        ("c", unread),
    ]
    hosts = judged(notes, NOTE.manifest, NOW, None)
    assert [host.file for host in hosts] == ["c", "b", "a"]
    last = hosts[-1].note
    assert last is not None
    assert [project.name for project in last.projects] == ["zz", "aa", "notes"]
