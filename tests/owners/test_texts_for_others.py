"""A name in a text for another program is that name, whatever it means to that program.

Each text is read by its real consumer where that is on this machine, else as its documentation
reads it, and has to come back as the words that were put in.
"""

from __future__ import annotations

import json
import plistlib
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import kubernetes_validate
import timers
import yaml
from cli_outside import START, World, world
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from timers import needs_systemd, verified

from bm_sync.model.schedule import Calendar, Schedule
from bm_sync.schedule import cron, kubernetes, launchd, nomad, systemd
from bm_sync.schedule.jobs import Bundle, Job
from bm_sync.schedule.yaml_text import Verbatim, document
from bm_sync.structs import replace

CALM = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
HOSTILE = (
    "{{ lookup('pipe', 'touch ran') }}",
    "{% if true %}x{% endif %} {# gone #}",
    "$(touch ran) `touch ran` ${HOME} $HOME $$",
    "%h %i %% \\% 100%",
    '%{ if true }x%{ endif } ${env["HOME"]} $(JOB_COMPLETIONS)',
    "'; touch ran; '\" & | > ran #",
    "a: b #c \\",
    "- [x] {y: z} !!python/name:os.system &a *b |",
    "-f --set",
    "é 日本 \u202e\u00a0",
)
NAMES = st.text(
    st.sampled_from("abc {}%$`'\"\\;&|<>()[]#:!*?~=-.,@^\u00e9\u202e\u00a0"),
    min_size=1,
    max_size=25,
)
SCHEDULE = Schedule("every 15m", (Calendar((0, 15, 30, 45), None),))


def examples(test: Any) -> Any:  # noqa: ANN401 - a decorator
    for name in HOSTILE:
        test = example(name)(test)
    return CALM(test)


def words_of(name: str) -> tuple[str, ...]:
    """Return a command line with a name in each part that somebody else may choose."""
    named = (f"/srv/{name}/sync.yaml", "--state-dir", f"/var/{name}", "--set", f"x={name}")
    return (sys.executable, "-P", *named)


def timer(name: str, folder: Path) -> Any:  # noqa: ANN401 - a timer of timers.py
    made = timers.timer(folder)
    machine = timers.machine(
        folder,
        command=words_of(name),
        manifest=Path(f"/srv/{name}/sync.yaml"),
        state=Path(f"/var/{name}"),
        env=(("BM_SYNC_TRUST", f"/srv/{name}"),),
    )
    return replace(made, machine=machine, writable=(Path(f"/var/{name}"),))


def through_a_shell(line: str, folder: Path) -> tuple[list[str], str | None]:
    """Return the words that a shell starts a program with, and BM_SYNC_TRUST in its environment."""
    shows = (
        "import sys, os, json; print(json.dumps([sys.argv[1:], os.environ.get('BM_SYNC_TRUST')]))"
    )
    program = f"{sys.executable} -c {shlex.quote(shows)}"
    script = line.replace(sys.executable, program, 1)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        timeout=120,
        check=True,
    )
    argv, trust = json.loads(done.stdout)
    assert list(folder.iterdir()) == []
    return argv, trust


@examples
@given(NAMES)
def test_systemd_takes_every_name_for_itself(name: str) -> None:
    service, _ = systemd.units(timer(name, Path("/srv/x")), system=False)
    (command,) = timers.values(service.text, "ExecStart")
    said = tuple(timers.words(command))
    assert said[: len(words_of(name))] == words_of(name)
    (trust,) = timers.words(timers.values(service.text, "Environment")[0])
    assert trust == f"BM_SYNC_TRUST=/srv/{name}".replace("$$", "$")
    assert service.text.count("\n[") == 2
    for line in service.text.splitlines():
        assert (len(line) - len(line.rstrip("\\"))) % 2 == 0 or line.startswith("#")


@needs_systemd
def test_systemd_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    for number, name in enumerate(HOSTILE):
        made = timer(name, tmp_path)
        for unit in systemd.units(made, system=False):
            (tmp_path / f"bm-sync-{number}{Path(unit.name).suffix}").write_text(unit.text)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert verified(tmp_path, *names, user=True) == ""


@examples
@given(NAMES)
def test_cron_and_its_shell_take_every_name_for_itself(name: str) -> None:
    block = cron.block((timer(name, Path("/srv/x")),))
    (line,) = [text for text in block.splitlines() if not text.startswith("#")]
    command = line.split(" ", 5)[5]
    assert re.search(r"(?<!\\)%", command) is None, "cron would end the command there"
    assert len(block.splitlines()) == 5
    as_cron = re.sub(r"^sleep \d+; ", "", command.replace("\\%", "%"))
    with_shell(as_cron, name, trust=f"/srv/{name}")


@examples
@given(NAMES)
def test_launchd_and_its_shell_take_every_name_for_itself(name: str) -> None:
    made = timer(name, Path("/srv/x"))
    agent = plistlib.loads(launchd.unit(made).text.encode())
    assert agent["EnvironmentVariables"]["BM_SYNC_TRUST"] == f"/srv/{name}"
    words = agent["ProgramArguments"]
    if words[0] != "/bin/sh":
        assert tuple(words[: len(words_of(name))]) == words_of(name)
        return
    with_shell(re.sub(r"^sleep \d+; exec ", "", words[2]), name, trust=None)


def with_shell(command: str, name: str, trust: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        argv, found = through_a_shell(command, Path(folder))
    assert tuple(argv[: len(words_of(name)) - 1]) == words_of(name)[1:]
    assert found == trust


def job(name: str) -> Job:
    return Job("bm-sync-x", f"bm-sync every 15m: {name}", SCHEDULE, words_of(name))


def bundle(name: str) -> Bundle:
    files = (("sync.yaml", f"version: 1\n# {name}\n"), (f"{name}.yaml".replace("/", "_"), name))
    return Bundle("bm-sync", files, env=("KEY",), notes=(f"a note on {name}\nkind: Pod",))


def as_kubelet(text: str) -> str:
    """Expand variables as a kubelet does; source: k8s.io/kubernetes, third_party expansion."""
    return re.sub(
        r"\$(\$|\([^)]*\)|)",
        lambda m: m[1] if m[1] == "$" else f"<{m[1]}>" if m[1] else "$",
        text,
    )


@examples
@given(NAMES)
def test_kubernetes_takes_every_name_for_itself(name: str) -> None:
    texts = kubernetes.units(bundle(name), [job(name)], kubernetes.Pods("image", 2))
    config, found = (yaml.safe_load(text.text) for text in texts)
    assert (config["kind"], found["kind"]) == ("ConfigMap", "CronJob")
    assert list(config["data"].values()) == [text for _, text in bundle(name).files]
    (container,) = found["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert tuple(map(as_kubelet, container["command"])) == words_of(name)
    for text in (config, found):
        kubernetes_validate.validate(text, kubernetes_validate.latest_version(), strict=True)


@examples
@given(NAMES)
def test_nomad_takes_every_name_for_itself(name: str) -> None:
    (unit,) = nomad.units(bundle(name), [job(name)])
    (group,) = json.loads(unit.text)["Job"]["TaskGroups"]
    words = group["Tasks"][0]["Config"]["args"]
    plain = [re.sub(r"\$(\$\{)|%(%\{)", lambda m: m[1] or m[2], word) for word in words]
    assert tuple(plain) == words_of(name)
    assert not any(re.search(r"(?<!\$)\$\{|(?<!%)%\{", word) for word in words)


@examples
@given(NAMES)
def test_a_text_that_ansible_takes_verbatim_comes_back(name: str) -> None:
    class Reader(yaml.SafeLoader):
        """Knows the tag of Ansible."""

    def construct(loader: Any, node: Any) -> tuple[str, object]:  # noqa: ANN401 - of yaml
        return "unsafe", loader.construct_scalar(node)

    Reader.add_constructor("!unsafe", construct)
    text = document({"a": Verbatim(f"{name}\n{name}"), "b": name}, [f"{name}\n- x"])
    assert yaml.load(text, Reader) == {"a": ("unsafe", f"{name}\n{name}"), "b": name}  # noqa: S506 - a safe loader


def test_a_role_puts_files_in_place_whatever_they_are_called(tmp_path: Path) -> None:
    here = world(tmp_path)
    unusual = [name.replace("/", "_") for name in HOSTILE if not set("*?[") & set(name)]
    names = [f"{name.replace('$', '_')}.yaml" for name in unusual if "touch" in name or "{" in name]
    names += [f"team {{{{ 7 * 7 }}}}/{names[0]}"]
    for name in names:
        here.write(name, f"vars: {{v{len(name)}: x}}\n")
    included = json.dumps([f"./{name}" for name in names], ensure_ascii=False)
    main = "{{ lookup('pipe', 'touch ran') }} main.yaml"
    here.write(
        main,
        f"version: 1\ninclude: {included}\nremotes: {{s: {{type: local, root: ~/cloud}}}}\n"
        "projects: {notes: {local: ~/notes, remote: s, schedule: {every: 15m}}}\n",
    )
    shown = here.run("schedule", "show", "--target", "ansible", "--out", "roles", "-f", main)
    assert shown.code == 0, shown
    script = here.root / "bin/bm-sync"
    here.write("bin/bm-sync", f'#!/bin/sh\nexec "{START[0]}" -c "{START[2]}" "$@"\n')
    script.chmod(0o755)
    variables = {"bm_sync_folder": str(here.root / "etc"), "bm_sync_command": str(script)}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    here.write(
        "play.yml",
        json.dumps(
            [{**play, "vars": {**variables, "bm_sync_timers": False}, "roles": ["bm_sync"]}]
        ),
    )
    said = playbook(here)
    assert not list(here.root.rglob("ran"))
    assert said.count("Put ") == len(names) + 1
    for name in (main, *names):
        assert f"Put {name} in place" in said
        assert (here.root / "etc" / name).read_text() == (here.root / name).read_text()


def playbook(here: World) -> str:
    scratch = str(here.root / "tmp")
    env = {**here.env, "ANSIBLE_LOCAL_TEMP": scratch, "ANSIBLE_REMOTE_TEMP": scratch}
    env |= {"ANSIBLE_NOCOLOR": "1", "PYTHONWARNINGS": "", "LC_ALL": "C.UTF-8"}
    env |= {"ANSIBLE_PYTHON_INTERPRETER": START[0]}
    program = Path(START[0]).with_name("ansible-playbook")
    done = subprocess.run(
        [str(program), "play.yml"],
        cwd=here.root,
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
