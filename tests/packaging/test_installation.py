"""What is shipped works where it is installed: wheel, source archive, editable."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import bm_sync

CHECKOUT = Path(__file__).resolve().parents[2]
SCHEMAS = sorted(path.name for path in (CHECKOUT / "schemas" / "v1").glob("*.schema.json"))


# Whole environments are installed here, from a package index.
pytestmark = pytest.mark.timeout(900)


def run(*command: str | Path, cwd: Path, home: Path | None = None) -> str:
    """Run a program away from the checkout; on failure show what it said."""
    env = {**os.environ, "HOME": str(home)} if home else dict(os.environ)
    for name in ("PYTHONPATH", "VIRTUAL_ENV", "BM_SYNC_RCLONE"):
        env.pop(name, None)
    ended = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def once(
    factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], None]
) -> Path:
    """Return a directory that `make` filled, once for all workers of pytest-xdist."""
    shared = factory.getbasetemp() if worker == "master" else factory.getbasetemp().parent
    directory = shared / f"packaging-{name}"
    with (shared / f"packaging-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "done").exists():
            directory.mkdir(exist_ok=True)
            make(directory)
            (directory / "done").touch()
    return directory


def worker_of(request: pytest.FixtureRequest) -> str:
    """Return the name of this worker of pytest-xdist, "master" without it."""
    return str(getattr(request.config, "workerinput", {}).get("workerid", "master"))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Build the source archive, and the wheel from nothing but the source archive."""

    def make(directory: Path) -> None:
        run(sys.executable, "-m", "build", "--outdir", directory, CHECKOUT, cwd=directory)

    return once(tmp_path_factory, worker_of(request), "built", make)


@pytest.fixture(scope="session")
def from_wheel(
    built: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Install the wheel with all it needs into a fresh environment."""

    def make(directory: Path) -> None:
        install(directory, str(next(built.glob("*.whl"))))

    return once(tmp_path_factory, worker_of(request), "wheel", make)


@pytest.fixture(scope="session")
def editable(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Install the checkout in place into a fresh environment."""

    def make(directory: Path) -> None:
        install(directory, "--editable", str(CHECKOUT))

    return once(tmp_path_factory, worker_of(request), "editable", make)


def install(directory: Path, *what: str) -> None:
    run(sys.executable, "-m", "venv", directory, cwd=directory)
    python = directory / "bin" / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--no-compile", *what, cwd=directory)


def test_the_wheel_holds_the_package_its_schemas_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    shipped = {name.split("/")[0] for name in names}
    assert shipped == {"bm_sync", f"bm_sync-{bm_sync.__version__}.dist-info"}
    for schema in SCHEMAS:
        assert f"bm_sync/schemas/v1/{schema}" in names
    assert "bm_sync/py.typed" in names
    assert any(name.endswith("LICENSE") for name in names)
    modules = {str(p.relative_to(CHECKOUT / "runner")) for p in (CHECKOUT / "runner").rglob("*.py")}
    assert modules <= set(names)


def test_the_source_archive_holds_what_a_packager_needs(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.split("/", 1)[1] for name in tar.getnames() if "/" in name}
    assert {"pyproject.toml", "LICENSE", "README.md", "sync.yaml.example"} <= names
    assert "schemas/v1/manifest.schema.json" in names
    assert "tests/packaging/test_installation.py" in names


@pytest.mark.parametrize("how", ["from_wheel", "editable"])
def test_an_installation_works_from_any_directory(
    how: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bm = request.getfixturevalue(how) / "bin" / "bm-sync"
    assert run(bm, "--version", cwd=tmp_path, home=tmp_path).split() == [
        "bm-sync",
        bm_sync.__version__,
    ]
    shown = json.loads(run(bm, "schema", cwd=tmp_path, home=tmp_path))
    kept = CHECKOUT / "schemas" / "v1" / "manifest.schema.json"
    assert shown == json.loads(kept.read_text(encoding="utf-8"))


@pytest.mark.parametrize("how", ["from_wheel", "editable"])
def test_an_installation_keeps_a_folder_in_sync_with_the_rclone_it_brought(
    how: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bm = request.getfixturevalue(how) / "bin" / "bm-sync"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("first\n")
    (tmp_path / "sync.yaml").write_text(
        "version: 1\n"
        "remotes:\n  shelf: {type: local, root: ./cloud}\n"
        "projects:\n  notes: {local: ./notes, remote: shelf}\n"
    )
    run(bm, "--state-dir", tmp_path / "state", "apply", "--yes", cwd=tmp_path, home=tmp_path)
    assert (tmp_path / "cloud" / "notes" / "a.md").read_text() == "first\n"
