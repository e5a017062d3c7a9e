"""A run never brings home what runs depend on, nor what is git's: every mode, real remotes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import servers
from pipeline_bench import everything, texts

from bm_sync import api, past_api
from bm_sync.cli.saved import write_plan
from bm_sync.engine.ledger import Ledger
from bm_sync.engine.left_alone import allowed
from bm_sync.errors import StalePlanError
from bm_sync.filters.matcher import Matcher
from bm_sync.model.config import Manifest
from bm_sync.model.past import Undo
from bm_sync.model.plan import Accept, MakeDir, ProjectPlan, Reason
from bm_sync.model.report import Applied, Selection, Setup
from bm_sync.model.run import Outcome, ProjectRun, Status
from bm_sync.model.tree import Side
from bm_sync.plan.resolve import Keep
from bm_sync.plan.wire import sealed
from bm_sync.structs import replace

SHELF: Mapping[str, object] = {"type": "local", "root": "../cloud"}
BY_MODE = (
    {"mode": "two-way"},
    {"mode": "mirror", "direction": "up"},
    {"mode": "mirror", "direction": "down"},
    {"mode": "push"},
    {"mode": "pull"},
    {"engine": "bisync"},
)
FREE = {"guards": {"max_delete": 999, "max_overwrite": 999, "empty_side": "allow"}}


@dataclass
class Vault:
    """A folder of notes that holds its own manifest; the project `notes` is the folder itself."""

    top: Path
    remote: Mapping[str, object] = field(default_factory=lambda: SHELF)
    behind: Path | None = None
    policy: Mapping[str, object] = field(default_factory=dict)
    filters: Mapping[str, object] = field(default_factory=dict)
    more: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.here = self.top / "notes"
        self.there = self.behind or self.top / "cloud" / "notes"
        self.here.mkdir(parents=True)
        env = {"HOME": str(self.top / "home"), "PATH": os.environ["PATH"]}
        env["SECRET"] = servers.SECRET_KEY
        self.setup = Setup(env=env, state_dir=self.top / "state", host="laptop")

    @property
    def file(self) -> Path:
        return self.here / "sync.yaml"

    def manifest(self) -> Manifest:
        """Write what is declared now and load it."""
        declared = {
            "version": 1,
            "remotes": {"shelf": dict(self.remote)},
            "filters": {"f": dict(self.filters)},
            "defaults": {"remote": "shelf", "filters": ["f"], "policy": {**FREE, **self.policy}},
            "projects": {"notes": {"local": "."}},
            **self.more,
        }
        text = json.dumps(declared)
        if not self.file.exists() or self.file.read_text() != text:
            self.file.write_text(text)
        return api.load(self.file, self.setup).manifest

    def write(self, path: str, text: str, where: Path | None = None) -> Path:
        file = (where or self.here) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def plan(self) -> ProjectPlan:
        plan = asyncio.run(api.plan(self.manifest(), Selection(), self.setup))
        return plan.projects[0]

    def applied(self) -> Applied:
        return asyncio.run(api.apply(self.manifest(), Selection(), self.setup, accept=Accept()))

    def apply(self) -> ProjectRun:
        done = self.applied()
        assert done.run is not None
        return done.run.projects[0]


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


ORDERS = {
    "sync.local.yaml": '{"version": 1, "hooks": {"before": ["touch PWNED"]}}',
    "sync.yaml": '{"version": 1, "hooks": {"before": ["touch PWNED"]}}',
    "conf.d/new.yaml": '{"version": 1, "hooks": {"before": ["touch PWNED"]}}',
    "tools/check.sh": "touch PWNED\n",
    "my.ignore": "*\n",
    "team.yaml": '{"version": 1, "hooks": {"before": ["touch PWNED"]}}',
    ".git/config": "[core]\n\tfsmonitor = touch PWNED\n",
    ".git/hooks/post-checkout": "touch PWNED\n",
    "lib/.git": "gitdir: ../evil\n",
    ".GIT/config": "[core]\n\tfsmonitor = touch PWNED\n",
    "deep/git~1/config": "[core]\n",
    "bare/HEAD": "ref: refs/heads/main\n",
    "bare/config": "[core]\n\tfsmonitor = touch PWNED\n",
    "bare/objects/info/packs": "P pack-1.pack\n",
    "bare/refs/heads/main": "0" * 40 + "\n",
}
MORE: Mapping[str, object] = {
    "include": ["team.yaml", "conf.d/*.yaml"],
    "hooks": {"before": ["sh tools/check.sh"]},
}


def furnish(vault: Vault) -> None:
    """Lay out what the manifest depends on, here, and a hostile version of it on the remote."""
    vault.filters = {"ignore_files": ["my.ignore"]}
    vault.more = MORE
    vault.write("team.yaml", '{"version": 1}')
    vault.write("tools/check.sh", "true\n")
    vault.write("my.ignore", "*.tmp\n")
    vault.write(".git/config", "[core]\n")
    vault.write("a.md", "from here\n")
    vault.manifest()
    for path, text in ORDERS.items():
        vault.write(path, text, vault.there)
    vault.write("b.md", "from there\n", vault.there)


def depended(folder: Path) -> dict[str, object]:
    """Return the stamps of all but the two notes."""
    notes = {str(folder / name) for name in ("a.md", "b.md")}
    folders = {str(path) for path in (folder, *folder.rglob("*")) if path.is_dir()}
    kept = everything(folder).items()
    return {p: s for p, s in kept if p not in notes | folders and "/.bm-sync" not in p}


@pytest.mark.parametrize("policy", BY_MODE, ids=str)
def test_every_mode_leaves_what_runs_depend_on_as_it_is_on_both_sides(
    policy: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    vault = Vault(tmp_path_factory.mktemp("v"), policy=policy)  # bisync takes no long paths
    furnish(vault)
    here, there = depended(vault.here), depended(vault.there)
    for _ in range(2):
        run = vault.apply()
        assert run.exit == 0, (run.message, [a.detail for a in run.actions])
    assert depended(vault.here) == here
    assert depended(vault.there) == there
    assert not (vault.here / "PWNED").exists()
    brought = policy not in ({"mode": "push"}, {"mode": "mirror", "direction": "up"})
    assert (vault.here / "b.md").exists() is brought
    assert vault.plan().in_sync


@pytest.mark.parametrize("kind", ["s3", "webdav"])
@pytest.mark.parametrize("policy", [{}, {"mode": "mirror", "direction": "down"}], ids=str)
def test_what_arrives_from_a_server_is_left_there(
    kind: str, policy: dict[str, object], tmp_path: Path
) -> None:
    serve = servers.serve_s3 if kind == "s3" else servers.serve_webdav
    with serve(tmp_path / "server", *servers.FORGETFUL) as server:
        assert server.folder is not None
        options: dict[str, object] = dict(server.options)
        if kind == "s3":
            options["secret_access_key"] = {"env": "SECRET"}
        root = f"{servers.BUCKET}/kb" if kind == "s3" else "kb"
        remote = {"type": server.type, "options": options, "root": root}
        vault = Vault(tmp_path, remote, server.folder / root / "notes", policy)
        furnish(vault)
        here, there = depended(vault.here), depended(vault.there)
        assert vault.apply().exit == 0
        assert vault.apply().exit == 0
        assert depended(vault.here) == here
        assert depended(vault.there).keys() == there.keys()
        assert (vault.here / "b.md").read_text() == "from there\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[servers.Server]:
    with servers.serve_s3(tmp_path / "s3", *servers.FORGETFUL) as server:
        yield server


def test_a_project_of_two_remotes_leaves_git_where_it_is(
    store: servers.Server, tmp_path: Path
) -> None:
    assert store.folder is not None
    options = {**dict(store.options), "secret_access_key": {"env": "SECRET"}}
    vault = Vault(tmp_path)
    s3 = {"type": "s3", "options": options, "root": f"{servers.BUCKET}/from-git"}
    project = {"from": "s3:notes", "remote": "shelf"}
    vault.more = {
        "remotes": {"shelf": dict(SHELF), "s3": s3},
        "projects": {"notes": project},
    }
    source = store.folder / servers.BUCKET / "from-git/notes"
    for path, text in {**ORDERS, "b.md": "b\n"}.items():
        vault.write(path, text, source)
    assert vault.apply().exit == 0
    found = texts(vault.there)
    assert "b.md" in found
    assert not [path for path in found if "git" in path.casefold() or path.startswith("bare/")]


def test_the_plan_says_once_what_stays_and_why(vault: Vault) -> None:
    furnish(vault)
    for number in range(7):
        vault.write(f".git/objects/{number}", "x")
    notes = "\n".join(vault.plan().notes)
    assert "4 files stay as they are, as runs depend on them: sync.yaml (the manifest)" in notes
    assert "tools/check.sh (a program that a hook runs)" in notes
    assert "shelf:notes holds sync.local.yaml (this machine's part of the manifest)" in notes
    assert (
        "shelf:notes holds conf.d/new.yaml (included by the manifest): it is not brought" in notes
    )
    assert "8 files under .git left out, as on shelf:notes" in notes
    assert len(vault.plan().notes) == 4


def test_a_run_warns_of_what_it_did_not_bring(vault: Vault) -> None:
    furnish(vault)
    for _ in range(2):
        warned = [what for name, what in vault.applied().warnings if name == "notes"]
        assert [what.split()[2] for what in warned] == ["sync.local.yaml", "conf.d/new.yaml"]


def test_the_other_machine_of_a_vault_keeps_its_own_manifest(vault: Vault, tmp_path: Path) -> None:
    vault.write("a.md", "a\n")
    vault.apply()
    other = Vault(tmp_path / "other", {"type": "local", "root": str(tmp_path / "cloud")})
    other.more = {"vars": {"own": "value"}}
    other.manifest()
    own = other.file.read_text()
    assert other.apply().exit == 0
    assert other.file.read_text() == own
    assert texts(vault.there) == {"a.md": "a\n"}


def becomes_an_order(vault: Vault) -> None:
    """Sync a script as content, twice edited, then name it in a hook."""
    vault.write("a.md", "a\n")
    vault.write("check.sh", "one\n")
    vault.apply()
    vault.write("check.sh", "two, and longer\n")
    vault.apply()
    vault.more = {"hooks": {"before": ["sh check.sh"]}}
    vault.write("check.sh", "true\n")


def test_what_becomes_an_order_leaves_the_set_and_nothing_is_deleted(vault: Vault) -> None:
    becomes_an_order(vault)
    plan = vault.plan()
    assert plan.filter_change.leaves == ("check.sh",)
    assert not plan.moves
    vault.apply()
    (vault.there / "check.sh").unlink()
    assert vault.apply().status is Status.IN_SYNC
    assert (vault.here / "check.sh").read_text() == "true\n"


def test_what_is_no_order_any_more_comes_back_with_its_memory(vault: Vault) -> None:
    becomes_an_order(vault)
    vault.apply()
    vault.write("check.sh", "edited here meanwhile\n")
    vault.more = {}
    plan = vault.plan()
    assert plan.filter_change.enters == ("check.sh",)
    assert vault.apply().exit == 0
    assert (vault.there / "check.sh").read_text() == "edited here meanwhile\n"


def test_no_run_from_before_is_taken_back_on_an_order(vault: Vault) -> None:
    becomes_an_order(vault)
    done = asyncio.run(past_api.undo(vault.manifest(), Undo(), vault.setup))
    assert done.run is not None
    (project,) = done.run.projects
    assert [(p.path, p.what) for p in project.problems] == [
        ("check.sh", "the filters exclude it now")
    ]
    assert (vault.here / "check.sh").read_text() == "true\n"
    assert (vault.there / "check.sh").read_text() == "two, and longer\n"


def test_no_version_from_before_is_restored_over_an_order(vault: Vault) -> None:
    becomes_an_order(vault)
    manifest = vault.manifest()
    (notes,) = manifest.projects
    versions = asyncio.run(past_api.versions(notes, "check.sh", vault.setup))
    assert versions
    done = asyncio.run(past_api.restore(manifest, notes, versions[0], vault.setup))
    assert done.run is not None
    (project,) = done.run.projects
    assert [p.path for p in project.problems] == ["check.sh", "check.sh"]
    assert "a program that a hook runs" in project.problems[0].what
    assert (vault.here / "check.sh").read_text() == "true\n"
    target = vault.top / "old.sh"
    asyncio.run(past_api.fetch_version(notes, versions[0], target, vault.setup))
    assert target.read_text() == "one\n"


@pytest.mark.parametrize("keep", [Keep.REMOTE, Keep.FILE])
def test_a_conflict_from_before_is_not_settled_over_an_order(vault: Vault, keep: Keep) -> None:
    vault.policy = {"conflict": {"winner": "stop"}}
    vault.write("check.sh", "here\n")
    vault.write("check.sh", "from there\n", vault.there)
    vault.apply()
    vault.more = {"hooks": {"before": ["sh check.sh"]}}
    vault.write("check.sh", "true\n")
    manifest = vault.manifest()
    given = b"given\n" if keep is Keep.FILE else None
    choice = past_api.Settle(keep, given)
    asyncio.run(past_api.resolve(manifest, manifest.projects[0], "check.sh", choice, vault.setup))
    assert (vault.here / "check.sh").read_text() == "true\n"
    assert (vault.there / "check.sh").read_text() == "from there\n"


def test_whatever_a_plan_says_a_closed_path_is_not_touched(vault: Vault) -> None:
    vault.write("a.md", "a\n")
    plan = asyncio.run(api.plan(vault.manifest(), Selection(), vault.setup))
    (notes,) = plan.projects
    forged = MakeDir(".git/hooks", Side.LOCAL, Reason.FOLDER)
    hostile = replace(notes, actions=(*notes.actions, forged))
    saved = sealed(replace(plan, projects=(hostile,)))
    with pytest.raises(StalePlanError):
        asyncio.run(api.apply_saved(vault.manifest(), saved, vault.setup))
    ledger = Ledger(hostile, lambda _: None)
    matcher = Matcher(vault.manifest().projects[0].filters)
    assert [a.path for a in allowed(hostile.moves, matcher, ledger)] == ["a.md"]
    assert ledger.outcome(forged) is Outcome.FAILED
    assert not (vault.here / ".git").exists()


def test_a_saved_plan_in_the_folder_stays_there_and_is_not_replaced(vault: Vault) -> None:
    vault.write("a.md", "a\n")
    plan = asyncio.run(api.plan(vault.manifest(), Selection(), vault.setup))
    write_plan(plan, vault.here / "today")
    vault.write("today", "another\n", vault.there)
    done = asyncio.run(api.apply_saved(vault.manifest(), plan, vault.setup))
    assert done.run is not None
    assert done.run.exit == 0
    before = (vault.here / "today").read_bytes()
    for _ in range(2):
        assert vault.apply().exit == 0
        assert (vault.here / "today").read_bytes() == before
    assert texts(vault.there) == {"a.md": "a\n", "today": "another\n"}
    assert any("today (a saved plan)" in note for note in vault.plan().notes)


def git(*words: str, at: Path) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    allow = ("-c", "protocol.file.allow=always")
    subprocess.run(["git", *who, *allow, *words], cwd=at, check=True, capture_output=True)


@pytest.fixture
def work_tree(vault: Vault) -> Vault:
    """A vault that is a git work tree with a submodule, a bare repository and another work tree."""
    vault.write("a.md", "a\n")
    git("init", at=vault.here)
    git("add", "a.md", at=vault.here)
    git("commit", "-m", "first", at=vault.here)
    git("clone", "--bare", ".", "store.git", at=vault.here)
    git("submodule", "add", "./store.git", "module", at=vault.here)
    git("worktree", "add", "side", at=vault.here)
    return vault


def test_nothing_of_git_is_sent_from_a_real_work_tree(work_tree: Vault) -> None:
    assert work_tree.apply().exit == 0
    assert set(texts(work_tree.there)) == {".gitmodules", "a.md", "module/a.md", "side/a.md"}
    (note,) = [note for note in work_tree.plan().notes if "left out" in note]
    tops = (".git", "module/.git", "side/.git", "store.git")
    number = sum(
        1
        for top in tops
        for path in (work_tree.here / top, *(work_tree.here / top).rglob("*"))
        if not path.is_dir() or path.is_symlink()
    )
    assert note.startswith(f"{number} files under .git, module/.git, side/.git and 1 more left out")


def test_what_is_gits_is_synced_where_the_filters_say_so(work_tree: Vault) -> None:
    work_tree.filters = {"git": "sync"}
    assert work_tree.apply().exit == 0
    there = depended(work_tree.there)
    for path in (".git/HEAD", "module/.git", "store.git/HEAD"):
        assert str(work_tree.there / path) in there
    work_tree.filters = {}
    plan = work_tree.plan()
    assert not plan.moves
    assert ".git/HEAD" in plan.filter_change.leaves
    assert work_tree.apply().exit == 0
    assert depended(work_tree.there) == there
    git("status", at=work_tree.here)


def test_a_git_directory_that_arrives_in_two_halves_is_never_whole(vault: Vault) -> None:
    vault.policy = {"mode": "pull"}
    bare = {path: text for path, text in ORDERS.items() if path.startswith("bare/")}
    for path, text in bare.items():
        if not path.startswith("bare/refs"):
            vault.write(path, text, vault.there)
    vault.apply()
    assert (vault.here / "bare/HEAD").exists()  # no git directory yet
    shutil.rmtree(vault.there)
    vault.write("bare/refs/heads/main", bare["bare/refs/heads/main"], vault.there)
    vault.write("b.md", "b\n", vault.there)
    assert vault.apply().exit == 0
    assert (vault.here / "b.md").exists()
    assert not (vault.here / "bare/refs").exists()


def test_git_ignored_files_stay_here_by_default_and_on_upgrade_nothing_is_lost(
    vault: Vault,
) -> None:
    vault.filters = {"gitignore": False}
    vault.write(".gitignore", "*.log\n")
    vault.write("a.log", "log\n")
    vault.apply()
    assert (vault.there / "a.log").exists()
    vault.filters = {}
    plan = vault.plan()
    assert (plan.moves, plan.filter_change.leaves) == ((), ("a.log",))
    vault.write("b.log", "log\n")
    assert vault.apply().exit == 0
    assert set(texts(vault.there)) == {".gitignore", "a.log"}


def test_prune_takes_nothing_away_that_runs_depend_on(vault: Vault) -> None:
    furnish(vault)
    vault.filters = {"exclude": ["tools/", "bare/", "x.tmp"], "ignore_files": ["my.ignore"]}
    vault.write("x.tmp", "x\n", vault.there)
    vault.write("bare/more", "x\n", vault.there)
    plan = asyncio.run(api.prunable(vault.manifest(), Selection(), vault.setup))
    assert [a.path for a in plan.projects[0].actions if a.kind == "trash"] == ["bare/more", "x.tmp"]


def test_links_give_an_order_no_second_name(vault: Vault) -> None:
    vault.filters = {"links": "follow"}
    vault.more = {"include": ["conf/*.yaml"]}
    vault.write("conf/base.yaml", '{"version": 1}')
    vault.write(".git/config", "[core]\n")
    (vault.here / "ln").symlink_to("conf")
    (vault.here / "one.yaml").symlink_to("conf/base.yaml")
    (vault.here / "cfg").symlink_to(".git/config")
    (vault.here / "repo").symlink_to(".git")
    hostile = '{"version": 1, "hooks": {"before": ["touch PWNED"]}}'
    for path in ("ln/base.yaml", "ln/new.yaml", "one.yaml", "cfg", "repo/config"):
        vault.write(path, hostile, vault.there)
    vault.apply()
    vault.apply()
    assert (vault.here / "conf/base.yaml").read_text() == '{"version": 1}'
    assert [file.name for file in (vault.here / "conf").iterdir()] == ["base.yaml"]
    assert (vault.here / ".git/config").read_text() == "[core]\n"


def test_a_manifest_in_the_folder_of_a_remote_is_left_alone_there(tmp_path: Path) -> None:
    vault = Vault(tmp_path, {"type": "local", "root": ".."})
    vault.more = {"projects": {"notes": {"local": str(tmp_path / "elsewhere")}}}
    for path, text in (("sync.yaml", "hostile"), ("a.md", "a\n")):
        vault.write(path, text, tmp_path / "elsewhere")
    vault.policy = {"mode": "mirror", "direction": "up"}
    vault.manifest()
    before = vault.file.read_text()
    assert vault.apply().exit == 0
    assert vault.file.read_text() == before
    assert (vault.here / "a.md").read_text() == "a\n"
