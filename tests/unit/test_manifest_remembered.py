"""What was accepted is remembered in a cache that nothing but speed depends on."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bm_sync import manifest
from bm_sync.manifest import remembered
from bm_sync.manifest.nodes import Document
from bm_sync.manifest.remembered import MOST, NAME, digest, is_known, remember
from bm_sync.model.config import Manifest
from bm_sync.paths import cache_dir

EMPTY = Manifest(Path("sync.yaml"), "", (), ())
ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home")}


def cache(env: dict[str, str]) -> Path:
    return cache_dir(env) / NAME


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def load(env: dict[str, str], text: str) -> manifest.Loaded:
    file = Path(env["HOME"]).parent / "sync.yaml"
    file.write_text(text)
    return manifest.load(file, env, state_dir=file.parent / "state")


def test_the_cache_lies_where_caches_lie() -> None:
    assert cache_dir({"HOME": "/h"}) == Path("/h/.cache/bm-sync")
    assert cache_dir({"HOME": "/h", "XDG_CACHE_HOME": "/c"}) == Path("/c/bm-sync")
    assert cache_dir({"HOME": "/h", "XDG_CACHE_HOME": "c"}) == Path("/h/.cache/bm-sync")
    assert cache_dir({"HOME": "/h", "XDG_CACHE_HOME": ""}) == Path("/h/.cache/bm-sync")


def test_what_was_remembered_is_known_and_nothing_else(env: dict[str, str]) -> None:
    assert not is_known(ONE, env)
    remember(ONE, env, EMPTY)
    assert is_known(ONE, env)
    assert not is_known(TWO, env)
    assert not is_known(ONE[:-1], env)


@pytest.fixture
def loose_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("loose_umask")
def test_the_cache_is_private_and_leaves_nothing_beside_it(env: dict[str, str]) -> None:
    remember(ONE, env, EMPTY)
    remember(TWO, env, EMPTY)
    assert [mode(cache(env)), mode(cache_dir(env)), mode(cache_dir(env).parent)] == [
        0o600,
        0o700,
        0o700,
    ]
    assert names(cache_dir(env)) == [NAME]


def test_the_oldest_are_forgotten(env: dict[str, str]) -> None:
    for number in range(MOST + 1):
        remember(f"{number:064}", env, EMPTY)
    assert not is_known(f"{0:064}", env)
    assert is_known(f"{1:064}", env)
    assert is_known(f"{MOST:064}", env)
    assert cache(env).stat().st_size == MOST * 65


def test_a_digest_is_that_of_document_and_schema() -> None:
    documents: list[Document] = [
        {"a": 1},
        {"a": "1"},
        {"a": True},
        {"a": 1.0},
        {"b": 1},
        ["a", 1],
        None,
    ]
    said = [
        digest(document, schema, "sync.yaml") for schema in ("{}", "{ }") for document in documents
    ]
    assert len(set(said)) == len(said)
    assert digest({"a": 1}, "{}", "sync.yaml") == said[0]


def test_another_version_judges_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest({}, "{}", "sync.yaml")
    monkeypatch.setattr("bm_sync.__version__", "0.0.0")
    assert digest({}, "{}", "sync.yaml") != before


def test_another_jsonschema_judges_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = digest({}, "{}", "sync.yaml")
    (tmp_path / "jsonschema.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "jsonschema", raising=False)
    assert digest({}, "{}", "sync.yaml") != before


def test_a_variable_that_changes_is_another_document(env: dict[str, str]) -> None:
    text = "version: 1\nprojects: {notes: {local: notes, remote: null, tags: ['${TAG}']}}\n"
    load({**env, "TAG": "daily"}, text)
    assert cache(env).exists()
    with pytest.raises(manifest.ManifestError) as caught:
        load({**env, "TAG": "not a tag"}, text)
    assert [d.code for d in caught.value.diagnostics] == ["BMS011"]


def spoil_by_mode(file: Path) -> None:
    file.chmod(0o620)


def spoil_by_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def spoil_by_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def spoil_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def spoil_by_bytes(file: Path) -> None:
    file.write_bytes(b"\xff\x00" + file.read_bytes())


@pytest.mark.parametrize(
    "spoil", [spoil_by_mode, spoil_by_link, spoil_by_pipe, spoil_by_folder, spoil_by_bytes]
)
def test_a_cache_that_is_not_ours_alone_is_not_believed(
    spoil: Callable[[Path], None], env: dict[str, str]
) -> None:
    remember(ONE, env, EMPTY)
    spoil(cache(env))
    assert not is_known(ONE, env)
    remember(TWO, env, EMPTY)  # replaces what it can, and never complains
    assert not is_known(ONE, env)
    assert is_known(TWO, env) == (spoil is not spoil_by_folder)


def test_a_folder_that_others_may_write_is_not_used(env: dict[str, str]) -> None:
    cache_dir(env).mkdir(parents=True)
    cache_dir(env).chmod(0o777)
    remember(ONE, env, EMPTY)
    assert names(cache_dir(env)) == []


def test_a_link_in_place_of_the_folder_is_not_followed(env: dict[str, str]) -> None:
    elsewhere = Path(env["HOME"], "elsewhere")
    elsewhere.mkdir(0o700)
    cache_dir(env).parent.mkdir()
    cache_dir(env).symlink_to(elsewhere)
    remember(ONE, env, EMPTY)
    assert names(elsewhere) == []


def test_a_home_that_is_missing_is_not_made(tmp_path: Path) -> None:
    remember(ONE, {"HOME": str(tmp_path / "nobody")}, EMPTY)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "side",
    [
        "projects: {all: {local: home, remote: null}}",
        "projects: {all: {local: link/.cache, remote: null}}",
        "remotes: {shelf: {type: local, root: home}}\nprojects: {notes: {remote: shelf}}",
    ],
)
def test_a_cache_that_would_be_synced_is_not_written(env: dict[str, str], side: str) -> None:
    home = Path(env["HOME"])
    (home / ".cache").mkdir()
    (home.parent / "link").symlink_to(home)
    load(env, f"version: 1\n{side}\n")
    assert names(home / ".cache") == []
    load(env, "version: 1\nprojects: {notes: {local: home/notes, remote: null}}\n")
    assert names(home / ".cache") == ["bm-sync"]


def test_where_nothing_can_be_written_the_manifest_is_loaded_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "file")}
    file = tmp_path / "sync.yaml"
    file.write_text("version: 1\nprojects: {notes: {local: notes, remote: null}}\n")
    for _ in range(2):
        loaded = manifest.load(file, env, state_dir=tmp_path / "state")
        assert [project.name for project in loaded.manifest.projects] == ["notes"]
    assert not remembered.is_known(ONE, {"HOME": "a\0b"})
