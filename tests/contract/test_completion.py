"""Completion, first as words, then by pressing Tab in real shells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_outside import World, world
from pasted import refusal

from bm_sync.cli.catalogue import SUMMARIES
from bm_sync.cli.completing import Names, Paths, completion

NAMES = Names(lambda: ["notes", "work log", "nightly"], lambda: ["daily", "team"])


def offered(line: str) -> list[str]:
    return [c.word for c in completion(line.split(" "), NAMES).words]


def paths(line: str) -> Paths:
    return completion(line.split(" "), NAMES).paths


def test_commands_come_first_each_with_what_it_does() -> None:
    found = completion([""], NAMES).words
    assert [c.word for c in found] == list(SUMMARIES)
    assert [c.what for c in found] == list(SUMMARIES.values())
    assert offered("pl") == ["plan"]
    assert offered("zz") == []


@pytest.mark.parametrize("line", ["-q pl", "-f other.yaml pl", "--state-dir /s -v pl"])
def test_options_before_the_command_are_passed_over(line: str) -> None:
    assert offered(line) == ["plan"]


def test_options_are_those_of_the_command_and_the_global_ones() -> None:
    found = offered("plan --")
    assert {"--out", "--format", "--json", "--state-dir"} <= set(found)
    assert "--progress" not in found
    assert offered("plan --max") == []
    assert offered("status --max") == ["--max-age"]
    assert offered("--ver") == ["--version", "--verbose"]


@pytest.mark.parametrize("command", SUMMARIES)
def test_every_option_that_is_offered_is_one_that_the_command_has(command: str) -> None:
    said = [refusal([command, option]) for option in offered(f"{command} --")]
    assert len(said) > 7
    assert [slip for slip in said if slip and "has no option" in slip] == []


def test_the_value_of_an_option_is_one_of_its_choices() -> None:
    assert offered("plan --format ") == ["text", "markdown", "json"]
    assert offered("schedule show --target sys") == ["systemd", "systemd-system"]
    assert offered("plan --tag ") == ["daily", "team"]
    assert paths("plan --out ") is Paths.FILES
    assert paths("plan --state-dir ") is Paths.FOLDERS
    assert (offered("plan --jobs "), paths("plan --jobs ")) == ([], Paths.NONE)
    assert (offered("plan --set "), paths("plan --set ")) == ([], Paths.NONE)


def test_arguments_are_projects_files_or_choices() -> None:
    assert offered("apply n") == ["notes", "nightly"]
    assert offered("apply notes ") == ["notes", "work log", "nightly"]
    assert paths("apply n") is Paths.FILES
    assert offered("why ") == ["notes", "work log", "nightly"]
    assert paths("why ") is Paths.FILES
    assert offered("ls ") == ["notes", "work log", "nightly"]
    assert offered("ls --json notes n") == []
    assert offered("schedule ") == ["install", "remove", "status", "show"]
    assert offered("schema st") == ["status"]
    assert offered("apply -- n") == ["notes", "nightly"]


def test_an_unknown_command_has_nothing_to_offer() -> None:
    assert completion(["plann", ""], NAMES).words == ()


def test_the_manifest_is_read_only_where_a_name_may_stand() -> None:
    def never() -> list[str]:
        raise AssertionError

    for line in ("", "plan --", "plan --format ", "schedule "):
        completion(line.split(" "), Names(never, never))


@pytest.fixture
def here(tmp_path: Path) -> World:
    return world(tmp_path)


def test_names_are_those_of_the_manifest_that_is_meant(here: World) -> None:
    assert (
        here.run("completion", "words", BM_SYNC_WORDS="apply\n").out == "notes\nwork log\n:files\n"
    )
    assert here.run("completion", "words", BM_SYNC_WORDS="apply\n--tag\n").out == "daily\n"
    here.write("other.yaml", "version: 1\nprojects: {far: {local: ./far, remote: null}}\n")
    for line in ("-f\nother.yaml\napply\n", "apply\nother.yaml\n"):
        assert here.run("completion", "words", BM_SYNC_WORDS=line).out == "far\n:files\n"
    for broken in ("projects: [", "version: 1\nprojekts: {}\n"):
        here.write("sync.yaml", broken)
        said = here.run("completion", "words", BM_SYNC_WORDS="ls\n")
        assert (said.code, said.out, said.err) == (0, "", "")


def test_names_are_those_for_the_variables_of_the_line_and_of_the_environment(here: World) -> None:
    here.write("sync.yaml", 'version: 1\nprojects: {mine: {local: "${top}/mine", remote: null}}\n')
    asked = {
        "plan\n": "",
        "--set\ntop=a\nplan\n": "mine\n:files\n",
        "plan\n--set=top=a\n": "mine\n:files\n",
        "plan\n--set\nother=a\n": "",
        "plan\n--set\ntop=a\n-f\nsync.yaml\n": "mine\n:files\n",
    }
    for line, names in asked.items():
        said = here.run("completion", "words", BM_SYNC_WORDS=line)
        assert (said.code, said.out.replace(":files\n", "")) == (0, names.replace(":files\n", ""))
    said = here.run("completion", "words", BM_SYNC_WORDS="plan\n", BM_SYNC_VAR_top="a")
    assert said.out == "mine\n:files\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_takes(here: World, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    script = here.root / "script"
    script.write_text(here.run("completion", shell).out)
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


class Terminal:
    """A shell that somebody types into."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._said = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_for(self, text: str) -> None:
        """Wait until `text` is on the screen, and forget all up to it."""
        end = time.monotonic() + 120
        while text not in self._said:
            assert time.monotonic() < end, self._said
            if select.select([self._descriptor], [], [], 1)[0]:
                self._said += os.read(self._descriptor, 4096).decode(errors="replace")
        self._said = self._said.partition(text)[2]


@contextmanager
def terminal(here: World, *words: str) -> Iterator[Terminal]:
    """Run an interactive shell on a terminal of its own, with `bm-sync` on its PATH."""
    here.paste("true")  # makes the script
    env = {**here.env, "PATH": f"{here.root / 'bin'}:{here.env['PATH']}", "TERM": "dumb"}
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(here.root)
        os.execvpe(words[0], words, env)  # noqa: S606 - the shell of the test
    try:
        yield Terminal(descriptor)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(descriptor)


SHELLS = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), 'eval "$(bm-sync completion bash)"'),
    "zsh": (
        ("zsh", "-f", "-i"),
        'autoload -U compinit; compinit -u -d ./dump; eval "$(bm-sync completion zsh)"',
    ),
    "fish": (("fish", "--no-config", "--private", "-i"), "bm-sync completion fish | source"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_a_command_an_option_and_a_project_with_a_space(
    here: World, shell: str
) -> None:
    """Each line is completed by Tab and then run; its answer tells what was completed."""
    words, load = SHELLS[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    with terminal(here, *words) as screen:
        screen.type(f"{load}; echo rea''dy\r")
        screen.wait_for("ready")
        screen.type("bm-sync why wo\t")
        screen.wait_for("log")
        screen.type("z.md\r")
        screen.wait_for("work log: z.md: ")
        screen.type("bm-sync valid\t")
        screen.wait_for("validate")
        screen.type("--form\t")
        screen.wait_for("--format")
        screen.type("j\t")
        screen.wait_for("json")
        screen.type("\r")
        screen.wait_for("[]")
