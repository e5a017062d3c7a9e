"""`state:` in a manifest: what may hold the state, and what is told in its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_outside import World

from bm_sync import manifest
from bm_sync.manifest.formats import text

MANIFEST = """\
version: 1
remotes:
  prod: {{type: sftp, options: {{host: prod.example.org}}, root: data}}
  store: {{type: sftp, options: {{host: store.example.org}}}}
  cloud: {{type: basic-memory-cloud}}
state: {state}
projects:
  notes: {notes}
"""
FROM = '{from: "prod:notes", remote: store, path: backup/notes}'


def validated(folder: Path, state: str, notes: str = FROM) -> tuple[int, str]:
    """Return how many slips the manifest has, and what is told of them."""
    file = folder / "sync.yaml"
    file.write_text(MANIFEST.format(state=state, notes=notes))
    try:
        manifest.load(file, {"HOME": str(folder)}, state_dir=folder / "state")
    except manifest.ManifestError as e:
        return len(e.diagnostics), text(e.diagnostics)
    return 0, ""


@pytest.mark.parametrize(
    "state",
    [
        "{remote: store}",
        "{remote: store, path: .bm-sync/state}",
        "{remote: prod, path: elsewhere/state, lease: 30s}",
    ],
)
def test_a_remote_holds_the_state_of_projects_without_folders(tmp_path: Path, state: str) -> None:
    assert validated(tmp_path, state)[0] == 0


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("{remote: stor}", "6:17: error BMS017: state: there is no remote 'stor'"),
        ("{path: x}", "BMS005"),
        ("{remote: store, way: x}", "error BMS004: unknown key 'way'"),
        ("{remote: cloud}", "6:17: error BMS080: state: every folder of a Basic Memory Cloud"),
        ("{remote: store, path: ../x}", "6:30: error BMS020: state: '../x' cannot be a path"),
        ("{remote: store, path: backup}", "6:30: error BMS024: state: 'backup' touches the files"),
        ("{remote: store, path: backup/notes/x}", "touches the files of the project 'notes'"),
        ("{remote: prod, path: notes/x}", "touches the files of the project 'notes'"),
        ("{remote: store, lease: 1s}", "6:31: error BMS014: state: '1s' cannot be how long"),
        ("{remote: store, lease: 1h}", "2s to 10m; 2m is the default"),
    ],
)
def test_a_slip_is_told_where_it_stands(tmp_path: Path, state: str, told: str) -> None:
    slips, said = validated(tmp_path, state)
    assert slips == 1
    assert told in said


def test_a_folder_of_this_machine_is_refused_where_it_is_named(tmp_path: Path) -> None:
    slips, said = validated(tmp_path, "{remote: store}", "{local: ./notes, remote: prod}")
    assert slips == 1
    assert "8:18: error BMS080: the project 'notes' has a folder of this machine" in said
    assert "name another remote with from" in said


def test_a_project_of_another_machine_may_have_a_folder(tmp_path: Path) -> None:
    notes = "{local: ./notes, remote: prod, hosts: [nobody-at-all]}"
    assert validated(tmp_path, "{remote: store}", notes)[0] == 0


def test_show_tells_where_the_state_lies_and_who_said_so(tmp_path: Path) -> None:
    validated(tmp_path, "{remote: store, lease: 90s}")
    said = World(tmp_path).run("show", "--json").json["data"]["state"]
    assert (said["remote"], said["path"], said["lease"]) == ("store", ".bm-sync/state", 90.0)
    shown = World(tmp_path).run("show", "--origins").out
    assert 'path: ".bm-sync/state"' in shown
    assert re.search(r"lease: 90.0 +# sync.yaml:6", shown)


def test_reset_says_what_to_remove(tmp_path: Path) -> None:
    validated(tmp_path, "{remote: store}")
    said = World(tmp_path).run("reset", "notes", "--yes")
    assert said.code == 2
    assert "lies on store:.bm-sync/state/" in said.err
    assert "remove state.db there" in said.err
