"""Workspaces of Basic Memory Cloud in a manifest: what is taken, what is refused, what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.engine.identity import project_key, remote_label
from bm_sync.manifest import show
from bm_sync.manifest.cloud import wrong_url
from bm_sync.model.config import CLOUD_STORAGE, CloudRemote, Manifest, Project
from bm_sync.model.permalink import permalink
from bm_sync.model.report import Diagnostic
from bm_sync.paths import schema_file


def read(tmp_path: Path, remotes: str, projects: str = "{}") -> Manifest:
    """Load a manifest; `remotes` and `projects` are YAML in one line."""
    file = tmp_path / "sync.yaml"
    file.write_text(f"version: 1\nremotes: {remotes}\nprojects: {projects}\n")
    return manifest.load(file, {"HOME": str(tmp_path)}, state_dir=tmp_path / "state").manifest


def refused(tmp_path: Path, remotes: str, projects: str = "{}") -> tuple[Diagnostic, ...]:
    """Return what is wrong with a manifest."""
    with pytest.raises(manifest.ManifestError) as e:
        read(tmp_path, remotes, projects)
    return e.value.diagnostics


def only(tmp_path: Path, keys: str) -> CloudRemote:
    """Return the one remote of a manifest."""
    (remote,) = read(tmp_path, f"{{cloud: {{type: basic-memory-cloud{keys}}}}}").remotes
    assert isinstance(remote, CloudRemote)
    return remote


def one_project(tmp_path: Path, keys: str) -> Project:
    """Return the one project, on the remote `cloud`."""
    remotes = "{cloud: {type: basic-memory-cloud}, other: {type: basic-memory-cloud, workspace: x}}"
    (project,) = read(tmp_path, remotes, f"{{research: {{{keys}}}}}").projects
    return project


def test_a_workspace_needs_no_more_than_its_type(tmp_path: Path) -> None:
    remote = only(tmp_path, "")
    assert (remote.host, remote.workspace, remote.transport) == (None, None, "auto")
    assert remote.storage == CLOUD_STORAGE
    assert remote.origin.line == 2


def test_every_key_of_a_workspace_is_taken(tmp_path: Path) -> None:
    remote = only(
        tmp_path,
        ", workspace: My Team, host: 'https://c.example/', transport: webdav"
        ", storage: 'http://127.0.0.1:9/'",
    )
    assert (remote.host, remote.storage) == ("https://c.example", "http://127.0.0.1:9")
    assert (remote.workspace, remote.transport) == ("My Team", "webdav")


def test_the_defaults_of_the_schema_are_those_of_the_values(tmp_path: Path) -> None:
    forms = json.loads(schema_file("manifest").read_text())["definitions"]["remote"]["anyOf"]
    (said,) = [f["properties"] for f in forms if "workspace" in f["properties"]]
    remote = only(tmp_path, "")
    for key in ("workspace", "host", "transport", "storage"):
        assert said[key]["default"] == getattr(remote, key), key


@pytest.mark.parametrize(
    "url",
    [
        "http://cloud.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1:8000",
        "https://ada:secret@cloud.example.com",
        "https://cloud.example.com?x=1",
        "https://cloud.example.com/?",
        "https://cloud.example.com#x",
        "https://cloud example.com",
        "https://cloud.example.com:port",
        "https://",
        "cloud.example.com",
        "file:///etc/passwd",
        "https://[::1",
        "",
    ],
)
def test_tokens_go_to_safe_addresses_only(tmp_path: Path, url: str) -> None:
    for key in ("host", "storage"):
        (found,) = refused(tmp_path, f"{{c: {{type: basic-memory-cloud, {key}: '{url}'}}}}")
        assert found.code == "BMS037", found
        assert f"cannot be the {key}" in found.what
        assert "secret@" not in found.what


@pytest.mark.parametrize(
    "url",
    [
        "https://cloud.example.com",
        "https://cloud.example.com:8443/base",
        "http://localhost:8000",
        "http://127.0.0.2",
        "http://[::1]:8000",
    ],
)
def test_https_and_this_machine_are_fine(url: str) -> None:
    assert wrong_url(url) is None


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (", transport: ftp", "BMS007"),
        (", workspace: ''", "BMS011"),
        (", storage: 5", "BMS006"),
        (", workspace: [a]", "BMS006"),
        (", root: notes", "BMS004"),
        (", options: {}", "BMS004"),
        (", worspace: a", "BMS004"),
    ],
)
def test_a_slip_in_a_workspace_is_told_by_its_form(tmp_path: Path, keys: str, code: str) -> None:
    (found,) = refused(tmp_path, f"{{c: {{type: basic-memory-cloud{keys}}}}}")
    assert found.code == code


@pytest.mark.parametrize("path", ["notes/work", '""', ".", '"(--)"'])
def test_a_path_on_the_cloud_is_the_name_of_one_project(tmp_path: Path, path: str) -> None:
    remotes = "{c: {type: basic-memory-cloud}}"
    (found,) = refused(tmp_path, remotes, f"{{a: {{remote: c, path: {path}}}}}")
    assert found.code == "BMS020"


@pytest.mark.parametrize("spelling", ["my-notes", "My Notes", "my_notes", "MyNotes", "my notes"])
def test_two_projects_are_never_one_project_of_the_cloud(tmp_path: Path, spelling: str) -> None:
    remotes = "{a: {type: basic-memory-cloud}, b: {type: basic-memory-cloud, transport: webdav}}"
    projects = f"{{one: {{remote: a, path: my-notes}}, two: {{remote: b, path: {spelling}}}}}"
    (found,) = refused(tmp_path, remotes, projects)
    assert found.code == "BMS023"


def test_projects_of_two_workspaces_may_have_one_name(tmp_path: Path) -> None:
    remotes = "{a: {type: basic-memory-cloud}, b: {type: basic-memory-cloud, workspace: team}}"
    found = read(tmp_path, remotes, "{one: {remote: a, path: x}, two: {remote: b, path: x}}")
    assert len(found.projects) == 2


def test_a_project_is_the_same_in_every_spelling_of_its_name(tmp_path: Path) -> None:
    keys = {
        project_key(one_project(tmp_path, f"remote: cloud, path: {path}"))
        for path in ("my-notes", "My Notes", "MyNotes")
    }
    assert len(keys) == 1
    assert project_key(one_project(tmp_path, "remote: other, path: my-notes")) not in keys
    assert project_key(one_project(tmp_path, "remote: cloud, path: notes")) not in keys


def test_a_project_on_the_cloud_is_shown_with_the_name_of_its_remote(tmp_path: Path) -> None:
    assert remote_label(one_project(tmp_path, "remote: cloud")) == "cloud:research"


def test_a_workspace_is_shown_with_all_its_keys(tmp_path: Path) -> None:
    remotes = '{cloud: {type: basic-memory-cloud, workspace: "a\\e[31m"}}'
    shown = show.text(read(tmp_path, remotes))
    assert "type: basic-memory-cloud" in shown
    assert "transport: auto" in shown
    assert CLOUD_STORAGE in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("research", "research"),
        ("My Notes", "my-notes"),
        ("archive-2019", "archive-2019"),
        ("_x_ (old)", "x-old"),
        ("Version 2.0", "version-2.0"),
        ("Ada's Café", "adas-cafe"),
        ("中文 notes", "中文-notes"),
        ("Привет, мир", "привет-мир"),
        ("--", ""),
    ],
)
def test_a_permalink_is_lower_case_with_dashes(name: str, link: str) -> None:
    assert permalink(name) == link
    assert permalink(link) == link
