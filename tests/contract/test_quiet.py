"""`-q` prints nothing but trouble, and each cause once however many projects share it."""

from __future__ import annotations

import pytest
from cli_outside import World

MANY = 30


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return many projects whose remote lacks a secret, one that is stopped, one that is well."""
    made = World(tmp_path_factory.mktemp("quiet"))
    keyless = "{type: s3, options: {provider: Other, access_key_id: {env: NO_SUCH_KEY}}}"
    text = f"version: 1\nremotes: {{shelf: {{type: local, root: ./cloud}}, far: {keyless}}}\n"
    text += "projects:\n  well: {local: ./well, remote: shelf}\n"
    text += "  gone: {local: ./gone, remote: shelf, policy: {mode: push}}\n"
    for number in range(MANY):
        made.write(f"p{number}/a.md")
        text += f"  p{number}: {{local: ./p{number}, remote: far}}\n"
    made.write("well/w.md")
    made.write("sync.yaml", text)
    assert made.run("apply", "--yes").code == 2
    return made


@pytest.mark.parametrize(
    "words",
    [
        ("apply", "--yes"),
        ("plan",),
        ("status",),
        ("check",),
        ("status", "--max-age", "2h"),
    ],
    ids=" ".join,
)
def test_a_cause_that_many_share_is_told_once(here: World, words: tuple[str, ...]) -> None:
    said = here.run("-q", *words)
    lines = said.out.splitlines()
    assert said.out.count("NO_SUCH_KEY is not set") == (0 if "--max-age" in words else 1)
    assert f"{MANY + ('--max-age' in words)} projects" in said.out
    assert "well" not in said.out
    assert "gone" in said.out
    assert len(lines) <= 12, said.out
    assert not [line for line in lines if "in sync" in line and "never" not in line]


def test_status_has_the_worst_first_a_sum_and_the_reason(here: World) -> None:
    said = here.run("status").out
    table, reasons, total = said.strip().split("\n\n")
    first = [line.split()[0] for line in table.splitlines()[1:]]
    assert first == [*(f"p{number}" for number in range(MANY)), "gone", "well"]
    assert f"{MANY} projects: " in reasons
    assert total == f"{MANY + 2} projects: {MANY} failed, 1 with a missing or empty side, 1 in sync"
    assert " well " not in f" {here.run('status', '--failed').out} "


def test_doctor_tells_only_what_is_wrong(here: World) -> None:
    said = here.run("doctor", "-q")
    assert said.code == 1
    assert [line for line in said.out.splitlines() if line.startswith("ok")] == []
    assert "NO_SUCH_KEY" in said.out


def test_the_seconds_of_a_project_that_could_not_be_looked_at_are_real(here: World) -> None:
    far = "{type: s3, options: {provider: Other, endpoint: 'http://127.0.0.1:1'}}"
    retry = "policy: {retry: {attempts: 2, max_wait: 1s}}"
    project = f"slow: {{local: ./well, remote: far, path: b/x, {retry}}}"
    here.write("slow.yaml", f"version: 1\nremotes: {{far: {far}}}\nprojects: {{{project}}}\n")
    said = here.run("-f", "slow.yaml", "apply", "--yes", "--json")
    (run,) = said.json["data"]["projects"]
    assert (said.code, run["status"]) == (1, "failed")
    assert run["seconds"] > 0.2, "two tries and a wait between them"
