"""Manifests in git: the pre-commit hook in the real pre-commit, the workflow step by step.

The workflow's own programs run as they stand, but for those that reach out: installing from an
index and writing the comment. Everything else of it is held to the schema of GitHub's workflows.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_outside import MANIFEST, World, world
from servers import KEY_ID, SECRET_KEY, Server, serve_s3

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/github-actions"
WORKFLOW = EXAMPLE / ".github/workflows/sync.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
REACHING_OUT = {"install", "comment"}
BY_NAME = re.compile(
    r"\b(?:pipx?|uv(?: pip| tool)?) install (?:-\S+ )*['\"]?bm-sync(?![\w-])(?! @)"
)
SLIP = MANIFEST.replace("projects:", "projekts:")


def program(here: World, words: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program that finds `bm-sync` on its PATH."""
    here.paste("true")  # makes the script
    path = f"{here.root / 'bin'}:{Path(sys.executable).parent}:{here.env['PATH']}"
    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        cwd=here.root,
        env={**here.env, "PATH": path, **env},
        timeout=120,
        check=False,
    )


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def hook() -> dict[str, Any]:
    (said,) = yaml.safe_load(HOOKS.read_text("utf-8"))
    return dict(said)


def test_pre_commit_takes_the_definition_of_the_hook(here: World) -> None:
    words = [sys.executable, "-W", "ignore", "-m", "pre_commit", "validate-manifest", str(HOOKS)]
    done = program(here, words, PYTHONWARNINGS="ignore")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def committed(here: World, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the hook over a repository with these files, as pre-commit does before a commit."""
    for name, text in files.items():
        here.write(name, text)
    said = {**hook(), "language": "system"}  # what it is installed from is this checkout
    config = {"repos": [{"repo": "local", "hooks": [said]}]}
    here.write(".pre-commit-config.yaml", yaml.safe_dump(config))
    for words in (["init", "-q"], ["add", *files, ".pre-commit-config.yaml"]):
        assert program(here, ["git", *words]).returncode == 0
    words = [sys.executable, "-m", "pre_commit", "run", "--color=never", "--all-files"]
    return program(here, words, PYTHONWARNINGS="ignore", PRE_COMMIT_HOME=str(here.root / "cache"))


def test_the_hook_passes_what_is_valid_and_looks_at_manifests_alone(here: World) -> None:
    done = committed(here, {"a/sync.yaml": MANIFEST, "sync.yaml": MANIFEST, "other.yaml": SLIP})
    assert done.returncode == 0
    assert "Passed" in done.stdout


def test_the_hook_refuses_a_slip_in_any_manifest_of_the_commit(here: World) -> None:
    done = committed(here, {"a/sync.yml": MANIFEST, "b/sync.yaml": SLIP, "sync.yaml": SLIP})
    assert done.returncode == 1
    assert "b/sync.yaml:7:1: error BMS004: unknown key 'projekts'" in done.stdout
    assert "\nsync.yaml:7:1: error BMS004" in done.stdout
    assert "a/sync.yml: 2 projects, 1 remote, no error" in done.stdout


def test_several_manifests_are_validated_at_once(here: World) -> None:
    here.write("bad.yaml", SLIP)
    said = here.run("validate", "sync.yaml", "bad.yaml", "--json")
    assert said.code == 2
    assert said.json["data"]["valid"] is False
    assert [slip["file"] for slip in said.json["data"]["diagnostics"]] == ["bad.yaml"]
    good = here.run("validate", "sync.yaml", "sync.yaml")
    assert (good.code, good.out.count("2 projects")) == (0, 2)


def steps(job: str) -> list[dict[str, Any]]:
    whole = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    return [step for step in whole["jobs"][job]["steps"] if "run" in step]


def test_the_workflow_is_what_github_takes(here: World) -> None:
    words = ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOW)]
    done = program(here, words, PYTHONWARNINGS="ignore")
    assert (done.returncode, done.stderr) == (0, "")
    whole = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert set(whole["jobs"]) == {"validate", "plan", "apply"}


def test_only_the_step_that_needs_secrets_has_them() -> None:
    whole = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    having = [
        step.get("name", step.get("uses"))
        for job in whole["jobs"].values()
        for step in job["steps"]
        if "secrets." in str(step)
    ]
    assert having == ["plan", "apply"]
    assert str(whole).count("secrets.") == 4


def test_nothing_is_installed_by_a_name_that_anybody_could_take() -> None:
    texts = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(ROOT / "runner").rglob("*.py")]
    texts += [file for file in (ROOT / "examples").rglob("*") if file.is_file()]
    found = [
        f"{file.name}: {line.strip()}"
        for file in texts
        for line in file.read_text("utf-8", "replace").splitlines()
        if BY_NAME.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_by_name"),
    [
        ("pip install bm-sync", True),
        ("pip install -q --upgrade 'bm-sync[watch]'", True),
        ("uv tool install bm-sync==1.2", True),
        ("pipx install bm-sync", True),
        ("pip install .", False),
        ('pip install "$BM_SYNC"', False),
        ("pip install 'bm-sync @ git+https://example.org/bm-sync@0123'", False),
    ],
)
def test_an_installation_by_name_is_seen(line: str, *, is_by_name: bool) -> None:
    assert (BY_NAME.search(line) is not None) == is_by_name


@pytest.fixture
def runner(tmp_path: Path) -> World:
    """A runner with the example checked out."""
    copy = shutil.copytree(EXAMPLE, tmp_path / "work")
    return World(copy)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Server]:
    """A store with the bucket that the example names; it learns of its folders when it starts."""
    (tmp_path / "s3/team-notes").mkdir(parents=True)
    with serve_s3(tmp_path / "s3") as server:
        yield server


def bucket(server: Server) -> Path:
    assert server.folder is not None
    return server.folder / "team-notes"


def ran(runner: World, job: str, server: Server) -> list[subprocess.CompletedProcess[str]]:
    """Run a job as a runner does: each step by bash, until one fails."""
    env = {
        "ARCHIVE_ENDPOINT": f"http://127.0.0.1:{server.port}",
        "ARCHIVE_KEY_ID": KEY_ID,
        "ARCHIVE_SECRET": SECRET_KEY,
        "GITHUB_STEP_SUMMARY": str(runner.root / "summary.md"),
    }
    done = []
    for step in steps(job):
        if step["name"] in REACHING_OUT:
            continue
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done.append(program(runner, words, **env))
        if done[-1].returncode:
            break
    return done


def test_a_pull_request_is_validated_and_gets_its_plan(runner: World, store: Server) -> None:
    notes = bucket(store)
    assert [done.returncode for done in ran(runner, "validate", store)] == [0]
    assert [done.returncode for done in ran(runner, "plan", store)] == [0, 0]
    summary = (runner.root / "summary.md").read_text()
    assert summary == (runner.root / "plan.md").read_text()
    assert "<code>index.md</code>" in summary
    assert not list(notes.rglob("index.md"))


def test_a_slip_is_marked_where_it_stands_and_stops_the_job(runner: World, store: Server) -> None:
    manifest = runner.root / "sync.yaml"
    manifest.write_text(manifest.read_text().replace("policies:", "polices:"))
    (done,) = ran(runner, "validate", store)
    assert done.returncode == 2
    assert "::error file=sync.yaml,line=" in done.stdout


def test_what_is_merged_is_applied(runner: World, store: Server) -> None:
    notes = bucket(store)
    assert [done.returncode for done in ran(runner, "apply", store)] == [0]
    pushed = notes / "handbook/index.md"
    assert pushed.read_text() == (EXAMPLE / "handbook/index.md").read_text()


def test_a_plan_is_printed_as_it_would_be_saved(here: World) -> None:
    printed = here.run("plan", "--format", "json", "--out", "today.plan")
    assert printed.out == (here.root / "today.plan").read_text()
    assert here.run("plan", "--format", "text").out == here.run("plan").out
    assert here.run("plan", "--format", "markdown").out.startswith("### bm-sync plan\n\n4 files")
