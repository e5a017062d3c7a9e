"""Every example is planned and applied by the real program in a scratch copy and a scratch home."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import servers
from cli_outside import Said, World

from bm_sync import manifest
from bm_sync.model.config import BackendRemote, FolderRemote, Mode, Placement, Project

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/sync.yaml"))
EXAMPLES = [path for path in EXAMPLES if path.name != "basic-memory-cloud"]  # tests/cloud has it
BACKUP = ROOT / "examples/mirror-backup-s3"
BUCKETS = ("notes-backup", "notes-bucket", "prod-notes", "team-notes")


@dataclass(frozen=True)
class Scratch:
    """A world with a copy of an example; `more` is what the example asks of the environment.

    `served` holds the buckets of the store.
    """

    world: World
    served: Path
    more: dict[str, str] = field(default_factory=dict)

    @property
    def projects(self) -> tuple[Project, ...]:
        """Return the projects as the loader reads them in this home."""
        file = self.world.root / "sync.yaml"
        env = {**self.world.env, **self.more}
        return manifest.load(file, env, state_dir=self.world.root / "state").manifest.projects

    def run(self, *words: str) -> Said:
        """Run `bm-sync` there."""
        return self.world.run(*words, **self.more)

    def fill(self) -> None:
        """Put files where every project has its source: its folder, or the remote for a pull."""
        for project in self.projects:
            for name in ("a.md", "b c.md", "deep/c.md", "left-out.tmp"):
                file = self._source(project) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"{project.name} {name}\n")

    def _source(self, project: Project) -> Path:
        remote, source = project.remote, project.source
        if source is not None and isinstance(source.remote, BackendRemote):
            return self.served / source.remote.root / source.path
        pulled = project.local is None or project.policy.mode is Mode.PULL
        if isinstance(remote, FolderRemote) and pulled:
            return remote.root / project.path
        assert project.local is not None
        return project.local


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    folder = tmp_path_factory.mktemp("store")
    for bucket in BUCKETS:
        (folder / bucket).mkdir()
    with servers.serve_s3(folder, *servers.FORGETFUL) as server:
        yield server


def scratch(example: Path, home: Path, store: servers.Server) -> Scratch:
    """Copy an example and name the store by the variables that it offers."""
    shutil.copytree(example, home, dirs_exist_ok=True)
    endpoint = f"http://127.0.0.1:{store.port}"
    more = {"BACKUP_PROVIDER": "Rclone", "PROD_PROVIDER": "Rclone"}
    keys: dict[str, str] = {}
    for name in ("BACKUP", "ARCHIVE", "PROD"):
        more[f"{name}_ENDPOINT"] = endpoint
        keys |= {f"{name}_KEY_ID": servers.KEY_ID, f"{name}_SECRET": servers.SECRET_KEY}
    assert store.folder is not None
    made = Scratch(World(home), store.folder, more | keys)
    made.fill()
    return made


def moved(said: Said) -> dict[str, int]:
    """Return how many actions each project of a plan or a run takes."""
    return {
        project["project"]: sum(
            project["totals"][figure]
            for figure in ("up", "down", "delete_local", "delete_remote", "move", "folders")
        )
        for project in said.json["data"]["projects"]
    }


def quiet_after_one_apply(here: Scratch) -> dict[str, int]:
    """Plan, apply, apply again; return what the plan would move in each project."""
    plan = here.run("plan", "--json")
    assert (plan.code, plan.json["errors"]) == (0, []), plan
    whenever = "--ignore-conditions"  # an example may be for some hours of the day
    applied = here.run("apply", whenever, "--json")
    assert (applied.code, applied.json["errors"]) == (0, []), applied
    assert moved(applied) == moved(plan)
    again = here.run("apply", whenever, "-q")
    assert (again.code, again.out, again.err) == (0, "", "")
    return moved(plan)


def in_bucket(store: servers.Server, prefix: str) -> set[str]:
    assert store.folder is not None
    top = store.folder / prefix
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_planned_applied_and_then_quiet(
    example: Path, tmp_path: Path, store: servers.Server
) -> None:
    here = scratch(example, tmp_path, store)
    figures = quiet_after_one_apply(here)
    for project in here.projects:
        synced = project.placement is Placement.SYNCED
        assert (figures[project.name] >= 3) is synced, project.name
    if example == BACKUP:
        names = {"a.md", "b c.md", "deep/c.md", "left-out.tmp"}
        assert in_bucket(store, "notes-backup/laptop/notes") == names


@pytest.fixture
def complete(tmp_path: Path, store: servers.Server) -> Scratch:
    """The complete example in a home that has what it names: a password store, a token, a git.

    It tells nobody, or it would call services on the network.
    """
    world = World(tmp_path)
    said = (ROOT / "sync.yaml.example").read_text()
    telling, rest = said.index("\nnotify:"), said.index("\n# Commands around")
    world.write("sync.yaml", said[:telling] + said[rest:])
    world.write("bin/pass", f'#!/bin/sh\n[ "$*" = "show archive" ] && echo {servers.SECRET_KEY}\n')
    world.write("bin/git", '#!/bin/sh\n[ "$1 $3 $4" = "-C pull --ff-only" ] && test -d "$2"\n')
    for program in ("pass", "git"):
        (tmp_path / "bin" / program).chmod(0o700)
    world.write(".config/archive/token", "a-token-of-the-tests\n")
    path = f"{tmp_path / 'bin'}:{world.env['PATH']}"
    endpoint = f"http://127.0.0.1:{store.port}"
    more = {"PATH": path, "ARCHIVE_ENDPOINT": endpoint, "ARCHIVE_KEY_ID": servers.KEY_ID}
    assert store.folder is not None
    made = Scratch(world, store.folder, more)
    made.fill()
    return made


def test_the_complete_example_is_planned_applied_quiet_and_shows_no_secret(
    complete: Scratch, store: servers.Server
) -> None:
    figures = quiet_after_one_apply(complete)
    assert (figures["research"], figures["scratch"], figures["archive-2019"]) == (3, 0, 0)
    assert in_bucket(store, "notes-bucket/kb/work/notes") == {"a.md", "b c.md", "deep/c.md"}
    shown = complete.run("show"), complete.run("plan", "-vv", "--json")
    assert [said.code for said in shown] == [0, 0]
    for said in shown:
        assert servers.SECRET_KEY not in said.out + said.err
        assert "a-token-of-the-tests" not in said.out + said.err
