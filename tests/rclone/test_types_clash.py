"""A file where the other side has a folder, empty files and empty folders, on real servers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from two_machines import (
    BUCKETS,
    Machine,
    converged,
    folders_in,
    quiet,
    remote_of,
)

from bm_sync.model.config import Mode


@pytest.fixture(params=("folder", "seaweedfs", "serve_webdav"))
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Machine, Machine]:
    """Return two machines with one remote."""
    remote = remote_of(request, request.param, tmp_path)
    return Machine(tmp_path / "here", remote), Machine(tmp_path / "there", remote)


def test_a_file_becomes_a_folder_and_a_folder_a_file_and_conflicts_keep_both(
    pair: tuple[Machine, Machine],
) -> None:
    here, there = pair
    for path in ("file", "folder/1", "folder/sub/2", "contested"):
        here.write(path, f"old {path}")
    converged(here.apply())
    converged(there.apply())

    for path in ("file", "contested"):
        (there.folder / path).unlink()
    there.write("file/inner", "a folder now")
    there.write("contested/inner", "a folder there")
    here.write("contested", "edited here")
    shutil.rmtree(there.folder / "folder")
    there.write("folder", "a file now")
    there.write("new-1/inner", "folder there")
    here.write("new-1", "file here")
    there.write("new-2", "file there")
    here.write("new-2/inner", "folder here")
    converged(there.apply())
    run = converged(here.apply())
    assert sorted(c.path for c in run.clashes) == ["contested", "new-1", "new-2"]
    quiet(here)
    converged(there.apply())
    quiet(there)
    quiet(here)

    assert here.files() == there.files()
    kept = {c.kept for c in run.clashes}
    assert here.files().keys() - kept == {
        *("file/inner", "contested/inner", "folder", "new-1/inner", "new-2/inner"),
    }
    assert {here.files()[k] for k in kept if k} == {b"edited here", b"file here", b"file there"}


def test_empty_files_and_folders_stay_in_sync_where_the_remote_has_folders(
    request: pytest.FixtureRequest, pair: tuple[Machine, Machine]
) -> None:
    here, there = pair
    on_bucket = any(kind in request.node.name for kind in BUCKETS)
    here.write("empty", "")
    here.write("full/file", "file")
    (here.folder / "hollow/inner").mkdir(parents=True)
    (here.folder / "stays").mkdir()
    converged(here.apply())
    quiet(here)
    converged(there.apply())
    assert there.files() == here.files()
    made = set() if on_bucket else {"hollow", "hollow/inner", "stays"}
    assert folders_in(there.folder) == {"full"} | made

    there.write("empty", "no more")
    shutil.rmtree(there.folder / "hollow", ignore_errors=True)
    (there.folder / "full/file").unlink()
    converged(there.apply())
    converged(here.apply())
    assert here.files() == there.files() == {"empty": b"no more"}
    left = {"hollow", "hollow/inner", "stays"} if on_bucket else {"full", "stays"}
    assert folders_in(here.folder) == left
    quiet(here)


@pytest.mark.parametrize("mode", [Mode.MIRROR, Mode.PUSH])
@pytest.mark.parametrize("pair", ["folder", "seaweedfs"], indirect=True)
def test_one_way_modes_treat_a_file_against_a_folder_by_their_own_rule(
    pair: tuple[Machine, Machine], mode: Mode
) -> None:
    here, there = pair[0].having(mode), pair[1]
    there.write("name", "a file on the remote")
    there.write("other/inner", "a folder on the remote")
    there.write("same", "same")
    converged(there.apply())
    here.write("name/inner", "a folder here")
    here.write("other", "a file here")
    here.write("same", "same")
    here.write("good", "good")
    run = here.apply()
    if mode is Mode.MIRROR:
        converged(run)
        quiet(here)
        assert here.remote_names() == ["good", "name/inner", "other", "same"]
    else:
        assert (run.exit, [p.path for p in run.problems]) == (1, ["name", "other"])
        assert here.remote_names() == ["good", "name", "other/inner", "same"]
    assert here.files().keys() == {"good", "name/inner", "other", "same"}
