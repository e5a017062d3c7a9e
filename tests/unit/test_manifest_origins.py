"""`show --origins`: every value with the file and the line that said it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from layered import HERE, Files

from bm_sync.manifest import origins, show
from bm_sync.model.setup import Machine

CANARY = "tr0ub4dor"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).write(
        team="vars:\n  root: /data\n"
        "remotes:\n  shelf:\n    type: local\n    root: cloud\n"
        "filters:\n  common:\n    gitignore: true\n    exclude:\n      - '*.tmp'\n"
        "policies:\n  careful:\n    mode: push\n    guards:\n      max_delete: 5\n"
        "defaults:\n  remote: shelf\n  policy: careful\n  filters: [common]\n",
        sync="version: 1\ninclude: [team.yaml]\nprojects:\n  notes:\n"
        '    local: "${root}/notes"\n    tags: [a, b]\n  far: {local: f, hosts: [nas]}\n',
        **{
            "sync.local": "filters: {common: {+exclude: ['*.bak']}}\n"
            "policies:\n  careful: {conflict: {winner: stop}}\nprojects: {notes: {+tags: [c]}}\n"
        },
    )


def said(files: Files, machine: Machine = HERE, **env: str) -> dict[str, str]:
    found = origins.data(files.load(machine, **env))["origins"]
    assert isinstance(found, dict)
    return {key: str(place).replace(f"{files.root}/", "") for key, place in found.items()}


def test_every_value_names_the_file_and_the_line_that_said_it(files: Files) -> None:
    found = said(files)
    expected = {
        "/version": "sync.yaml:1",
        "/vars/root": "team.yaml:2",
        "/remotes/shelf/root": "team.yaml:6",
        "/projects/notes/local": "sync.yaml:5",
        "/projects/notes/remote": "team.yaml:18",
        "/projects/notes/path": "built-in default",
        "/projects/notes/tags/0": "sync.yaml:6",
        "/projects/notes/tags/2": "sync.local.yaml:4",
        "/projects/notes/policy/name": "team.yaml:19",
        "/projects/notes/policy/mode": "team.yaml:14",
        "/projects/notes/policy/conflict/winner": "sync.local.yaml:3",
        "/projects/notes/policy/conflict/loser": "built-in default",
        "/projects/notes/policy/guards/max_delete/count": "team.yaml:16",
        "/projects/notes/policy/guards/max_overwrite/percent": "built-in default",
        "/projects/notes/filters/gitignore": "team.yaml:9",
        "/projects/notes/filters/exclude/0/pattern": "team.yaml:11",
        "/projects/notes/filters/exclude/1/pattern": "sync.local.yaml:1",
        "/elsewhere/far/local": "sync.yaml:7",
    }
    assert {key: found.get(key) for key in expected} == expected


def test_every_key_of_hooks_targets_schedules_and_conditions_names_its_line(files: Files) -> None:
    files.write(
        sync=(files.root / "sync.yaml").read_text()
        + "hooks:\n  on_error:\n    - ./told.sh\n    - run: ./more.sh\n      timeout: 10s\n"
        "notify:\n  - type: ntfy\n    url: https://ntfy.example/x\n    on:\n      - change\n"
        "defaults:\n  schedule:\n    jitter: 1m\n    every: 15m\n"
        "  conditions:\n    hours:\n      - 08:00-10:00\n    power: mains\n"
    )
    found, notes = said(files), "/projects/notes"
    expected = {
        "/hooks/0/run": "sync.yaml:10",
        "/hooks/0/timeout": "built-in default",
        "/hooks/1/run": "sync.yaml:11",
        "/hooks/1/timeout": "sync.yaml:12",
        "/notify/0/type": "sync.yaml:14",
        "/notify/0/url": "sync.yaml:15",
        "/notify/0/on/0": "sync.yaml:17",
        "/notify/0/timeout": "built-in default",
        f"{notes}/schedule/when": "sync.yaml:21",
        f"{notes}/schedule/jitter": "sync.yaml:20",
        f"{notes}/schedule/catch_up": "built-in default",
        f"{notes}/conditions/hours/0": "sync.yaml:24",
        f"{notes}/conditions/power": "sync.yaml:25",
        f"{notes}/conditions/disk_free/bytes": "built-in default",
        "/elsewhere/far/schedule/jitter": "sync.yaml:20",
    }
    assert {key: found.get(key) for key in expected} == expected


def test_of_a_variable_that_several_files_declare_the_one_that_holds_is_named(files: Files) -> None:
    files.write(sync=(files.root / "sync.yaml").read_text() + "vars: {root: /own}\n")
    assert said(files)["/vars/root"] == "team.yaml:2"
    assert files.project("notes").local == Path("/data/notes")


def test_the_environment_and_the_command_line_are_named_as_such(files: Files) -> None:
    assert said(files, BM_SYNC_VAR_root="/x")["/vars/root"] == "BM_SYNC_VAR_root"
    loaded = files.load(Machine(sets=(("root", "/y"),)))
    assert "# --set root" in origins.text(loaded)


def leaves(value: Any, path: str = "") -> list[str]:  # noqa: ANN401 - a JSON value
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[str] = []
    for key, inside in pairs:
        at = f"{path}/{key}"
        found += leaves(inside, at) if isinstance(inside, (dict, list)) and inside else [at]
    return found


def test_no_value_of_show_is_left_out(files: Files) -> None:
    whole = show.data(files.load().manifest)
    silent = re.compile(r"/(file|digest)$|/(declared|reason)$")
    values = [leaf for leaf in leaves(whole) if not silent.search(leaf)]
    assert len(values) > 80
    assert set(values) <= set(said(files))


def test_the_text_is_yaml_that_says_what_the_data_says(files: Files) -> None:
    loaded = files.load()
    data = dict(origins.data(loaded))
    del data["origins"]
    text = origins.text(loaded)
    assert yaml.safe_load(text) == json.loads(json.dumps(data))
    lines = [line for line in text.splitlines() if re.search(r"(: |- )[^ ]", line)]
    named = [line for line in lines if "  # " in line]
    assert len(named) > 0.8 * len(lines)


def test_the_files_are_named_the_weakest_first(files: Files) -> None:
    found = origins.data(files.load())["files"]
    assert isinstance(found, list)
    assert [Path(str(name)).name for name in found] == ["team.yaml", "sync.yaml", "sync.local.yaml"]


@pytest.mark.parametrize(
    ("variable", "use"),
    [
        (f"k: {CANARY}", "secret_access_key: '${k}'"),
        ("k: '${SECRET}'", "secret_access_key: '${k}'"),
        (f"password: {CANARY}", "provider: Other"),
        (f"u: 'https://ada:{CANARY}@x.example'", "endpoint: '${u}'"),
    ],
)
def test_a_secret_in_a_variable_is_not_shown(variable: str, use: str, tmp_path: Path) -> None:
    files = Files(tmp_path).write(
        sync=f"version: 1\nvars: {{{variable}}}\nprojects: {{}}\n"
        f"remotes: {{r: {{type: s3, options: {{{use}}}}}}}\n"
    )
    loaded = files.load(SECRET=CANARY)
    assert CANARY not in origins.text(loaded)
    assert CANARY not in json.dumps(origins.data(loaded))


def test_a_manifest_of_one_file_has_origins_too(tmp_path: Path) -> None:
    files = Files(tmp_path).write(sync="version: 1\nprojects: {n: {local: n, remote: null}}\n")
    found = said(files)
    assert found["/projects/n/local"] == "sync.yaml:2"
    assert found["/projects/n/policy/mode"] == "built-in default"
