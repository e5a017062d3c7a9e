"""For which machines a project is: `hosts` and `when`."""

from __future__ import annotations

from pathlib import Path

import pytest
from layered import HERE, Files

from bm_sync.engine.selecting import elsewhere, select
from bm_sync.errors import UsageError
from bm_sync.model.setup import Machine, Selection


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def reason(files: Files, keys: str, machine: Machine = HERE, **env: str) -> str | None:
    """Return why a project that says `keys` is not for a machine, None when it is."""
    files.write(sync=f"version: 1\nprojects: {{notes: {{local: n, remote: null, {keys}}}}}\n")
    found = files.load(machine, **env).manifest
    assert len(found.projects) + len(found.elsewhere) == 1
    return found.elsewhere[0].reason if found.elsewhere else None


@pytest.mark.parametrize(
    "hosts", ["[desk]", "[desk.example.org]", "[DESK]", '["de*"]', '["*.org"]', "[other, desk]"]
)
def test_a_host_is_matched_by_its_name_or_its_first_part_whatever_the_case(
    hosts: str, files: Files
) -> None:
    assert reason(files, f"hosts: {hosts}") is None


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ("[laptop]", "it is for host laptop; this one is desk.example.org"),
        ('["laptop-*", nas]', "it is for hosts laptop-* or nas; this one is desk.example.org"),
        ("[]", "it is for no host; this one is desk.example.org"),
        ("[desk.example]", "it is for host desk.example; this one is desk.example.org"),
    ],
)
def test_another_host_is_told_for_whom_it_is(hosts: str, words: str, files: Files) -> None:
    assert reason(files, f"hosts: {hosts}") == words


@pytest.mark.parametrize(
    ("platform", "system"),
    [("linux", "linux"), ("darwin", "macos"), ("freebsd14", "freebsd")],
)
def test_the_operating_system_is_one_or_one_of_several(
    platform: str, system: str, files: Files
) -> None:
    machine = Machine("desk", platform)
    assert reason(files, f"when: {{os: {system}}}", machine) is None
    assert reason(files, f"when: {{os: [linux, macos, {system}]}}", machine) is None
    others = [name for name in ("linux", "macos", "freebsd") if name != system]
    told = reason(files, f"when: {{os: [{', '.join(others)}]}}", machine)
    assert told == f"it is for {' or '.join(others)}; this is {system}"


def test_environment_variables_are_set_or_have_a_value_which_is_not_told(files: Files) -> None:
    assert reason(files, "when: {env: CI}", CI="1") is None
    assert reason(files, "when: {env: CI}", CI="") is not None
    assert reason(files, "when: {env: [CI, ROLE]}", CI="1") == (
        "it is for machines where the variable ROLE is set"
    )
    assert reason(files, "when: {env: {ROLE: backup}}", ROLE="backup") is None
    told = reason(files, "when: {env: {ROLE: backup}}", ROLE="other")
    assert told == "it is for machines where the variable ROLE has another value"


def test_files_that_have_to_be_there_begin_where_they_are_said(files: Files) -> None:
    files.write(team__base="projects: {notes: {when: {exists: [mark, ~/all]}}}\n")
    files.write(
        sync="version: 1\ninclude: [team/base.yaml]\nprojects: {notes: {local: n, remote: null}}\n"
    )
    assert [e.reason for e in files.load().manifest.elsewhere] == [
        "it is for machines with mark, which is not there"
    ]
    (files.root / "team/mark").touch()
    assert "~/all" in files.load().manifest.elsewhere[0].reason
    (files.root / "home/all").mkdir(parents=True)
    assert files.load().manifest.elsewhere == ()


def test_all_that_is_said_must_hold(files: Files) -> None:
    keys = "hosts: [desk], when: {os: linux, env: CI}"
    assert reason(files, keys, CI="1") is None
    assert reason(files, keys) is not None
    assert reason(files, keys, Machine("desk", "darwin"), CI="1") is not None
    assert reason(files, keys, Machine("nas", "linux"), CI="1") is not None


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ("hosts: desk", "BMS006"),
        ("hosts: ['']", "BMS011"),
        ("when: {os: linus}", "BMS007"),
        ("when: {os: [linus]}", "BMS007"),
        ("when: {osx: linux}", "BMS004"),
        ("when: {env: {1x: y}}", "BMS011"),
        ("when: linux", "BMS006"),
    ],
)
def test_slips_are_told(keys: str, code: str, files: Files) -> None:
    files.write(sync=f"version: 1\nprojects: {{notes: {{local: n, remote: null, {keys}}}}}\n")
    assert files.told() == [f"sync.yaml:2 {code}"]


def test_projects_of_different_machines_may_share_a_folder(files: Files) -> None:
    files.write(
        sync="version: 1\nprojects:\n"
        "  a: {local: n, remote: null, hosts: [desk]}\n"
        "  b: {local: n, remote: null, hosts: [nas]}\n"
    )
    assert files.told() == []
    assert files.told(Machine("both")) == []
    files.write(sync=(files.root / "sync.yaml").read_text().replace("[nas]", '["*"]'))
    assert files.told() == ["sync.yaml:4 BMS022"]


def test_a_slip_in_a_project_of_another_machine_is_told_here_too(files: Files) -> None:
    files.write(
        sync="version: 1\nprojects: {b: {local: n, remote: null, policy: nope, hosts: [nas]}}\n"
    )
    assert files.told() == ["sync.yaml:2 BMS017"]


def test_a_project_of_another_machine_is_known_and_never_selected(files: Files) -> None:
    files.write(
        sync="version: 1\nprojects:\n"
        "  here: {local: h, remote: null}\n"
        "  there: {local: t, remote: null, hosts: [nas], tags: [far]}\n"
    )
    found = files.load().manifest
    assert [p.name for p in select(found, Selection())] == ["here"]
    assert select(found, Selection(names=("there",))) == ()
    assert select(found, Selection(tags=("far",))) == ()
    assert [e.project.name for e in elsewhere(found, Selection(names=("t*",)))] == ["there"]
    with pytest.raises(UsageError, match="no project 'their'"):
        select(found, Selection(names=("their",)))
