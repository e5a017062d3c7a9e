"""What is rendered for clusters: checked against the real schemas, and the pods' command is run.

Kubernetes' own schemas come with kubernetes-validate, in their strict form: an unknown field is
refused. Nomad publishes no schema of its job that could be installed; the names and kinds of fields
below were written down from its API's documentation (Nomad 1.5 to 1.10).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import servers
import yaml
from cli_outside import START, World, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bm_sync.rclone.binary import find
from bm_sync.schedule.yaml_text import document

# a loaded machine is slow, which says nothing of what is tested
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
VERSIONS = ("1.29", "1.33", kubernetes_validate.latest_version())
IMAGE = ("--image", "registry.example.org/bm-sync:1.0")
PODS = ("schedule", "show", "--target", "kubernetes")
MANIFEST = """\
version: 1
include: [team/base.yaml]
remotes:
  prod:
    type: s3
    root: %(root)s
    options:
      provider: Rclone
      endpoint: %(endpoint)s
      access_key_id: {env: STORE_ID}
      secret_access_key: {env: STORE_SECRET}
  far:
    type: s3
    root: %(root)s-far
    options:
      provider: Rclone
      endpoint: %(endpoint)s
      access_key_id: {env: STORE_ID}
      secret_access_key: {env: STORE_SECRET}
defaults: {remote: far, schedule: {every: 15m, jitter: 1m}}
policies: {copy: {mode: mirror, direction: up}}
projects:
  handbook: {from: "prod:handbook", policy: copy}
  drafts: {from: "prod:drafts", policy: copy}
  "two times":
    from: prod:two
    policy: copy
    schedule: {at: ["07:30", "19:45"], catch_up: false}
"""
LOCALS = """\
  mine: {local: ./mine}
  others: {local: ./theirs, hosts: [tower]}
"""
STATE = "state: {remote: far}\n"


@pytest.fixture
def here(tmp_path: Path) -> World:
    made = world(tmp_path)
    where = {"root": "bucket/x", "endpoint": "http://127.0.0.1:9000"}
    made.write("sync.yaml", MANIFEST % where + LOCALS)
    made.write("team/base.yaml", "version: 1\nvars: {x: 'a\u00fc'}\n")
    return made


def shown(here: World, *words: str) -> list[dict[str, Any]]:
    """Return the documents as any reader of YAML finds them, all in one stream."""
    said = here.run(*PODS, *IMAGE, *words)
    assert said.code == 0, said
    return list(yaml.safe_load_all(said.out))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.text(min_size=1), inside, max_size=4)
    ),
    max_leaves=12,
)


@CALM
@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=4))
def test_yaml_comes_back_as_the_value_it_was(value: dict[str, Any]) -> None:
    assert yaml.safe_load(document(value)) == (value or None)


@CALM
@given(st.text("ab #:-|>'\"\\\t\n\r\x85\u2028", max_size=30))
def test_every_text_of_several_lines_comes_back(text: str) -> None:
    assert yaml.safe_load(document({"a": {"b": [{"c": text}], "d": text}})) == {
        "a": {"b": [{"c": text}], "d": text}
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_rendered_is_what_kubernetes_knows(here: World, version: str) -> None:
    found = shown(here, "--shards", "3")
    assert [one["kind"] for one in found] == ["ConfigMap", *["CronJob"] * 3]
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)


def test_the_schemas_refuse_what_kubernetes_does_not_know(here: World) -> None:
    job = shown(here)[1]
    job["spec"]["jobTemplate"]["spec"]["backofLimit"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, VERSIONS[-1], strict=True)


def test_pods_get_the_whole_manifest_and_only_what_they_can_sync(here: World) -> None:
    here.write("sync.local.yaml", "version: 1\nvars: {secret: of-this-machine}\n")
    config, every, first, second = shown(here, "--shards", "3")
    assert set(config["data"].values()) == {
        (here.root / name).read_text() for name in ("sync.yaml", "team/base.yaml")
    }
    assert [job["spec"]["schedule"] for job in (every, first, second)] == [
        *("0,15,30,45 * * * *", "30 7 * * *", "45 19 * * *")
    ]
    assert len({job["metadata"]["name"] for job in (every, first, second)}) == 3
    job = every["spec"]["jobTemplate"]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 3, 3)
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"][-2:] == ["handbook", "drafts"]
    assert {e["name"] for e in container["env"] if "secretKeyRef" in e.get("valueFrom", {})} == {
        *("STORE_ID", "STORE_SECRET")
    }
    items = pod["volumes"][0]["configMap"]["items"]
    assert {item["path"] for item in items} == {"sync.yaml", "team/base.yaml"}
    assert {item["key"] for item in items} == set(config["data"])
    said = here.run(*PODS, *IMAGE).out
    assert "# Not here, as they have folders of a machine: mine" in said
    assert "of-this-machine" not in said


def test_what_the_pods_run_syncs_each_project_in_one_of_them(here: World) -> None:
    bucket = here.root / "store" / servers.BUCKET
    for name in ("handbook", "drafts"):
        (bucket / "x" / name).mkdir(parents=True)
        (bucket / "x" / name / "a.md").write_text(name)
    with servers.serve_s3(here.root / "store") as store:
        where = {"root": f"{servers.BUCKET}/x", "endpoint": f"http://127.0.0.1:{store.port}"}
        two_way = MANIFEST.replace("mode: mirror, direction: up", "mode: two-way") % where
        here.write("sync.yaml", two_way)
        refused = here.run(*PODS, *IMAGE)
        assert refused.code == 2
        assert "would be gone with each pod" in refused.err
        here.write("sync.yaml", STATE + two_way)
        job = shown(here, "--shards", "2")[1]["spec"]["jobTemplate"]["spec"]
        (container,) = job["template"]["spec"]["containers"]
        assert sorted(round_of_pods(here, container, "first")) == ["drafts", "handbook"]
        upload(here, store, "edited since the first round", "x/drafts/a.md")
        assert sorted(round_of_pods(here, container, "second")) == ["drafts", "handbook"]
    far = bucket / "x-far"
    files = {f for f in far.rglob("*.md") if ".bm-sync" not in f.parts}
    assert files == {far / "drafts/a.md", far / "handbook/a.md"}  # no conflict: it was remembered
    assert (far / "drafts/a.md").read_text() == "edited since the first round"


def upload(here: World, store: servers.Server, text: str, path: str) -> None:
    """Put a file into the bucket as another program would: behind its back it is not seen."""
    here.write("upload", text)
    env = {f"RCLONE_CONFIG_STORE_{key.upper()}": value for key, value in store.options}
    env |= {"RCLONE_CONFIG_STORE_TYPE": "s3", "RCLONE_CONFIG": os.devnull}
    words = [str(find(None, os.environ).path), "copyto", "upload", f"store:{servers.BUCKET}/{path}"]
    subprocess.run(words, env={**here.env, **env}, cwd=here.root, check=True, timeout=60)


def round_of_pods(here: World, container: dict[str, Any], name: str) -> list[str]:
    """Run what two pods would run, each in a folder that nothing was in before."""
    synced = []
    for index in range(2):
        own = here.root / f"{name}-{index}"
        own.mkdir(mode=0o700)
        env = {"STORE_ID": servers.KEY_ID, "STORE_SECRET": servers.SECRET_KEY}
        env |= {"JOB_COMPLETION_INDEX": str(index)}
        plain = {e["name"]: e["value"] for e in container["env"] if "value" in e}
        env |= {k: v.replace("/bm-sync", str(own), v.startswith("/")) for k, v in plain.items()}
        words = [w.replace("/config", str(here.root)) for w in container["command"]]
        done = subprocess.run(
            [*START, *words[1:], "--json"],
            env={**here.env, **env},
            cwd="/",
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        synced += [project["project"] for project in json.loads(done.stdout)["data"]["projects"]]
    return synced


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*PODS,), "a pod needs an image"),
        ((*PODS, "--image", "a b"), "is no image"),
        ((*PODS, *IMAGE, "--shards", "0"), "no whole number"),
        ((*PODS, *IMAGE, "--name", "Big_Name"), "cannot begin the names of jobs"),
        ((*PODS, *IMAGE, "-f", "local.yaml"), "'notes' has a folder of this machine"),
        ((*PODS, *IMAGE, "-f", "never.yaml"), "none of these projects has a schedule"),
        (("schedule", "install", "--target", "kubernetes"), "nothing is installed in kubernetes"),
        (("schedule", "show", "--target", "cron", "--out", "x"), "--out is not for this"),
        (("schedule", "show", "--target", "nomad", "--shards", "2"), "--shards is not for this"),
        (("schedule", "show", "--target", "kubernets"), "did you mean 'kubernetes'?"),
    ],
)
def test_what_cannot_be_rendered_is_said(
    here: World, words: tuple[str, ...], sentence: str
) -> None:
    shelf = "version: 1\nremotes: {shelf: {type: local, root: ./cloud}}\n"
    here.write(
        "local.yaml",
        f"{shelf}projects: {{notes: {{local: ./notes, remote: shelf, schedule: {{every: 1h}}}}}}\n",
    )
    here.write("never.yaml", f"{shelf}projects: {{notes: {{local: ./notes, remote: shelf}}}}\n")
    said = here.run(*words)
    assert said.code == 2
    assert sentence in said.err


# The fields of the parts of a job that are used here, and of what kind each is.
_TEXT, _WHOLE, _YES = str, int, bool
NOMAD: dict[str, dict[str, Any]] = {
    "Job": {
        **dict.fromkeys(("ID", "Name", "Namespace", "Region", "Type", "NodePool"), _TEXT),
        "Priority": _WHOLE,
        "AllAtOnce": _YES,
        "Datacenters": [_TEXT],
        "Meta": {"*": _TEXT},
        "Periodic": "Periodic",
        "TaskGroups": ["TaskGroup"],
    },
    "Periodic": {
        "Enabled": _YES,
        "ProhibitOverlap": _YES,
        "Spec": _TEXT,
        "Specs": [_TEXT],
        "SpecType": _TEXT,
        "TimeZone": _TEXT,
    },
    "TaskGroup": {
        "Name": _TEXT,
        "Count": _WHOLE,
        "RestartPolicy": "RestartPolicy",
        "Tasks": ["Task"],
        "Meta": {"*": _TEXT},
    },
    "RestartPolicy": {"Attempts": _WHOLE, "Interval": _WHOLE, "Delay": _WHOLE, "Mode": _TEXT},
    "Task": {
        "Name": _TEXT,
        "Driver": _TEXT,
        "User": _TEXT,
        "Env": {"*": _TEXT},
        "Config": {"command": _TEXT, "args": [_TEXT]},
        "KillTimeout": _WHOLE,
        "Resources": "Resources",
        "LogConfig": "LogConfig",
        "Templates": ["Template"],
    },
    "Resources": {"CPU": _WHOLE, "MemoryMB": _WHOLE, "MemoryMaxMB": _WHOLE, "Cores": _WHOLE},
    "LogConfig": {"MaxFiles": _WHOLE, "MaxFileSizeMB": _WHOLE},
    "Template": {
        **dict.fromkeys(("EmbeddedTmpl", "DestPath", "ChangeMode", "Perms"), _TEXT),
        **dict.fromkeys(("LeftDelim", "RightDelim"), _TEXT),
        "Envvars": _YES,
    },
}


def misfits(value: object, kind: Any, at: str) -> list[str]:  # noqa: ANN401 - a table in itself
    """Return where a value has another form than Nomad's API knows."""
    if isinstance(kind, str):
        kind = NOMAD[kind]
    match kind, value:
        case dict(), dict():
            found = []
            for key, inside in value.items():
                known = kind.get(key, kind.get("*"))
                place = f"{at}.{key}"
                found += [place] if known is None else misfits(inside, known, place)
            return found
        case [inner], list():
            return [m for i, item in enumerate(value) for m in misfits(item, inner, f"{at}[{i}]")]
        case _:
            return [] if type(value) is kind else [at]


def test_a_job_of_nomad_has_the_form_of_its_api_and_every_machine_its_part(here: World) -> None:
    assert here.run("schedule", "show", "--target", "nomad", "--out", "jobs").code == 0
    files = sorted((here.root / "jobs").iterdir())
    jobs = [json.loads(file.read_text())["Job"] for file in files]
    assert len(jobs) == 3
    for job, file in zip(jobs, files, strict=True):
        assert misfits(job, "Job", "Job") == []
        assert job["Type"] == "sysbatch"
        assert job["Periodic"]["ProhibitOverlap"] is True
        assert len(job["Periodic"]["Spec"].split()) == 5
        assert f"{job['ID']}.nomad.json" == file.name
    (every,) = [job for job in jobs if job["ID"].startswith("bm-sync-every-15m-")]
    (task,) = every["TaskGroups"][0]["Tasks"]
    words = task["Config"]["args"]
    assert words[words.index("-f") + 1] == str(here.root / "sync.yaml")
    assert words[-4:] == ["handbook", "drafts", "mine", "others"]
    template = task["Templates"][0]["EmbeddedTmpl"]
    assert f'nomadVar "nomad/jobs/{every["ID"]}"' in template
    assert "STORE_SECRET={{ .STORE_SECRET | toJSON }}" in template


def test_a_form_that_nomad_does_not_know_is_seen() -> None:
    assert misfits({"ID": 1, "Periodic": {"Specc": ""}}, "Job", "") == [".ID", ".Periodic.Specc"]


needs_systemctl = pytest.mark.skipif(
    not os.path.exists("/usr/bin/systemctl"),  # noqa: PTH110 - a look, no path is kept
    reason="systemctl is not on this machine",
)


@needs_systemctl
def test_the_role_puts_the_manifest_and_its_timers_on_a_machine_and_then_changes_nothing(
    here: World,
) -> None:
    mine = "projects: {notes: {local: ~/notes, remote: shelf, schedule: {every: 15m}}}\n"
    shelf = "remotes: {shelf: {type: local, root: ~/cloud}}\n"
    here.write("sync.yaml", f"version: 1\ninclude: [team/base.yaml]\n{shelf}{mine}")
    assert here.run("schedule", "show", "--target", "ansible", "--out", "roles").code == 0
    script = here.root / "bin/bm-sync"
    here.write("bin/bm-sync", f'#!/bin/sh\nexec "{START[0]}" -c "{START[2]}" "$@"\n')
    script.chmod(0o755)
    variables = {
        "bm_sync_folder": str(here.root / "etc"),
        "bm_sync_command": str(script),
        "bm_sync_target": "systemd",
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    here.write("play.yml", json.dumps([{**play, "vars": variables, "roles": ["bm_sync"]}]))
    first, second = playbook(here, "play.yml"), playbook(here, "play.yml")
    assert changed(first) >= 4
    assert changed(second) == 0
    assert (here.root / "etc/team/base.yaml").read_text() == (
        here.root / "team/base.yaml"
    ).read_text()
    assert len(list((here.root / ".config/systemd/user").glob("bm-sync-*.timer"))) == 1


def playbook(here: World, *words: str) -> str:
    """Run a playbook on this machine; return what it said. Warnings are errors of the test."""
    env = {**here.env, "SYSTEMD_OFFLINE": "1", "ANSIBLE_LOCAL_TEMP": str(here.root / "tmp")}
    env |= {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_REMOTE_TEMP": str(here.root / "tmp")}
    env |= {"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    env |= {"PYTHONWARNINGS": "", "LC_ALL": "C.UTF-8", "ANSIBLE_PYTHON_INTERPRETER": START[0]}
    program = Path(START[0]).with_name("ansible-playbook")
    done = subprocess.run(
        [str(program), *words],
        cwd=here.root,
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def changed(said: str) -> int:
    """Return how many tasks changed something, by the recap."""
    (recap,) = [line for line in said.splitlines() if line.startswith("localhost ")]
    return int(recap.partition("changed=")[2].split()[0])
