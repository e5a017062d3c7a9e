"""A manifest in, values or problems out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.model.config import (
    BackendRemote,
    Direction,
    FolderRemote,
    Limit,
    Loser,
    Manifest,
    Mode,
    NamedRemote,
    Placement,
    Policy,
    SecretRef,
    Winner,
)

WHOLE = """\
version: 1
vars: {notes: "${HOME}/notes"}
remotes:
  archive:
    type: s3
    options:
      provider: Other
      endpoint: ${ARCHIVE_ENDPOINT:-http://127.0.0.1:9000}
      env_auth: false
      chunk_size: 5
      secret_access_key: {file: secrets/archive}
    root: notes-bucket/kb/
  mine: {rclone: gdrive, root: kb}
  shelf: {type: local, root: ./cloud}
filters:
  code: {gitignore: true, exclude: ["*.pyc"], max_size: 1.5K}
  links: {links: follow, exclude: ["!keep.pyc"], max_size: null}
policies:
  careful:
    conflict: {winner: larger, loser: trash}
    guards: {max_delete: 5, max_bytes: 20G}
  backup: {extends: careful, mode: mirror, direction: down, guards: {max_delete: 10%}}
defaults: {remote: shelf, policy: careful, filters: [code]}
projects:
  research: {local: "${notes}/research"}
  2024: {local: here, remote: archive, path: work/notes, policy: backup, filters: [code, links]}
  archive-2019: {remote: mine}
  scratch: {local: ~/scratch, remote: null, policy: {mode: push}, tags: [a, b, a]}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def whole(home: Path, tmp_path: Path) -> Manifest:
    file = tmp_path / "sync.yaml"
    file.write_text(WHOLE)
    loaded = manifest.load(file, {"HOME": str(home)}, state_dir=tmp_path / "state")
    assert loaded.warnings == ()
    assert loaded.text == WHOLE
    return loaded.manifest


def test_the_digest_is_that_of_the_text(whole: Manifest) -> None:
    assert whole.digest == hashlib.sha256(WHOLE.encode()).hexdigest()


def test_remotes_of_all_three_forms_are_built(whole: Manifest, tmp_path: Path) -> None:
    archive, mine, shelf = whole.remotes
    assert isinstance(archive, BackendRemote)
    assert archive.type == "s3"
    assert archive.root == "notes-bucket/kb"
    assert archive.origin.line == 4
    plain = {name: value for name, value in archive.options if isinstance(value, str)}
    assert plain == {
        "provider": "Other",
        "endpoint": "http://127.0.0.1:9000",
        "env_auth": "false",
        "chunk_size": "5",
    }
    secret = dict(archive.options)["secret_access_key"]
    assert isinstance(secret, SecretRef)
    assert (secret.kind, secret.value) == ("file", str(tmp_path / "secrets/archive"))
    assert secret.origin.line == 11
    assert isinstance(mine, NamedRemote)
    assert (mine.rclone, mine.root) == ("gdrive", "kb")
    assert shelf == FolderRemote("shelf", tmp_path / "cloud")


def test_a_project_is_in_the_state_it_declares(whole: Manifest) -> None:
    assert {p.name: p.placement for p in whole.projects} == {
        "research": Placement.SYNCED,
        "2024": Placement.SYNCED,
        "archive-2019": Placement.CLOUD_ONLY,
        "scratch": Placement.LOCAL_ONLY,
    }


def test_paths_are_absolute_and_variables_put_in(
    whole: Manifest, home: Path, tmp_path: Path
) -> None:
    research, year, old, scratch = whole.projects
    assert research.local == home / "notes/research"
    assert year.local == tmp_path / "here"
    assert old.local is None
    assert scratch.local == home / "scratch"
    assert [p.path for p in whole.projects] == ["research", "work/notes", "archive-2019", "scratch"]


def test_a_policy_is_put_over_the_one_it_extends_key_by_key(whole: Manifest) -> None:
    backup = whole.projects[1].policy
    assert backup.name == "backup"
    assert (backup.mode, backup.direction) == (Mode.MIRROR, Direction.DOWN)
    assert (backup.conflict.winner, backup.conflict.loser) == (Winner.LARGER, Loser.TRASH)
    assert backup.guards.max_bytes == 20 * 1024**3
    assert backup.guards.max_delete.percent == 10
    assert backup.guards.max_delete.count is None
    assert backup.guards.max_delete.origin.line == 22
    assert backup.guards.max_bytes_origin.line == 21


def test_a_policy_written_in_a_project_begins_with_the_default_one(whole: Manifest) -> None:
    policy = whole.projects[3].policy
    assert policy.mode is Mode.PUSH
    assert policy.guards.max_delete.count == 5


def test_filters_are_put_together_in_order(whole: Manifest) -> None:
    filters = whole.projects[1].filters
    assert [rule.pattern for rule in filters.rules] == ["*.pyc", "!keep.pyc"]
    assert [rule.origin.line for rule in filters.rules] == [16, 17]
    assert filters.gitignore
    assert filters.max_size is None
    assert filters.links == "follow"
    assert whole.projects[0].filters.max_size == 1536


def test_tags_are_told_once(whole: Manifest) -> None:
    assert whole.projects[3].tags == ("a", "b")


def test_without_any_policy_the_built_in_one_holds(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text("version: 1\nprojects: {notes: {local: notes, remote: null}}\n")
    loaded = manifest.load(file, {"HOME": str(home)}, state_dir=tmp_path / "state")
    policy = loaded.manifest.projects[0].policy
    assert policy == Policy("built-in")
    assert policy.guards.max_delete == Limit(percent=25, at_least=10)


def test_every_problem_of_a_file_is_told_in_one_run_in_order(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text(
        "version: 1\n"
        "remotes: {shelf: {type: local, root: ./shelf}}\n"
        "projects:\n"
        "  notes:\n"
        "    remotee: shelf\n"
        "    local: notes\n"
        "    policy: {guards: {max_delete: lots}}\n"
        "  work: {local: work, remote: shlf}\n"
    )
    with pytest.raises(manifest.ManifestError) as caught:
        manifest.load(file, {"HOME": str(home)}, state_dir=tmp_path / "state")
    found = [(d.line, d.column, d.code, d.hint) for d in caught.value.diagnostics]
    assert found == [
        (5, 5, "BMS004", "did you mean 'remote'?"),
        (7, 35, "BMS011", "a number of files, or a percentage such as 25%"),
        (8, 31, "BMS017", "did you mean 'shelf'?"),
    ]
    assert caught.value.exit == 2


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("keys/id", "{folder}/keys/id"),
        ("id", "{folder}/id"),
        ("../id", "{above}/id"),
        ("/etc/keys/id", "/etc/keys/id"),
        ("~/.ssh/id", "~/.ssh/id"),
        ("${HOME}/id", "{home}/id"),
        ("$${KEYS}/id", "${KEYS}/id"),
    ],
)
def test_a_file_that_an_option_names_is_looked_for_beside_the_manifest(
    tmp_path: Path, said: str, meant: str
) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    file = folder / "sync.yaml"
    remotes = f"remotes: {{r: {{type: sftp, options: {{key_file: '{said}'}}}}}}\n"
    file.write_text(f"version: 1\nprojects: {{}}\n{remotes}")
    loaded = manifest.load(file, {"HOME": "/home/ada"}, state_dir=tmp_path / "state")
    (remote,) = loaded.manifest.remotes
    assert isinstance(remote, BackendRemote)
    meant = meant.replace("{folder}", str(folder)).replace("{above}", str(tmp_path))
    assert dict(remote.options)["key_file"] == meant.replace("{home}", "/home/ada")
