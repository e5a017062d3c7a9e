"""What the page on manifests of others says: what starts programs, and what the example does."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cli_outside import World, world

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "examples/github-actions/.github/workflows/sync.yml"
LOOKING = (
    "validate",
    "validate --format github",
    "validate --format sarif",
    "validate --json",
    "show",
    "show --origins",
    "show --json",
)


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = world(tmp_path)
    made.write("aws", f"[default]\ncredential_process = /usr/bin/touch {tmp_path}/ran\n")
    made.write(
        "sync.yaml",
        "version: 1\n"
        "remotes:\n"
        f"  box: {{type: ftp, options: {{host: localhost, port: '1',"
        f" user: {{command: touch {tmp_path}/ran}}}}}}\n"
        "  far: {type: s3, options: {provider: Other, endpoint: 'http://127.0.0.1:1',"
        " env_auth: true, shared_credentials_file: aws}}\n"
        f"hooks: {{before: ['touch {tmp_path}/ran']}}\n"
        "policies: {once: {mode: push, retry: {attempts: 1}}}\n"
        "defaults: {policy: once}\n"
        "projects: {a: {local: ./notes, remote: box}, b: {local: ./work, remote: far}}\n",
    )
    return made


@pytest.mark.parametrize("command", LOOKING)
def test_looking_at_a_manifest_starts_nothing_of_it(here: World, command: str) -> None:
    assert here.run(*command.split()).code == 0
    assert not (here.root / "ran").exists()


def test_a_plan_starts_what_the_manifest_names_so_it_is_not_for_forks(here: World) -> None:
    here.run("plan")
    assert (here.root / "ran").exists(), "the page warns of it"


def test_a_fork_gets_a_job_without_secrets_and_without_a_plan() -> None:
    whole = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    events = whole.get("on", whole.get(True))  # YAML 1.1 reads the key as a boolean
    assert "pull_request" in events
    assert "pull_request_target" not in events
    assert "secrets." not in str(whole["jobs"]["validate"])
    assert "env" not in whole["jobs"]["validate"]
    assert "!github.event.pull_request.head.repo.fork" in whole["jobs"]["plan"]["if"]
    assert whole["jobs"]["apply"]["if"] == "github.event_name != 'pull_request'"
    assert whole["permissions"] == {"contents": "read"}
