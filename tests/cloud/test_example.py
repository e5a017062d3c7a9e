"""The tour of examples/basic-memory-cloud is run as it is written, and says what it shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import standin_server
from cli_outside import START, World

CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
README = (standin_server.EXAMPLE / "README.md").read_text("utf-8")
# What differs from one run to the next; and columns are as wide as their widest entry.
CHANGING = (
    (re.compile(r"http://127\.0\.0\.1:\d+"), "URL"),
    (re.compile(r"/\S*/bm-cloud"), "HERE"),
    (re.compile(r"\S*/\.local/state"), "STATE"),
    (re.compile(r"\b[A-Z]{4}-[A-Z]{4}\b"), "CODE"),
    (re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{10}\b"), "RUN"),
    (re.compile(r"\bnow\b|\b\d+(\.\d+)? (h|min|s)( \d+ s)?( ago)?\b"), "TIME"),
    (re.compile(r" +"), " "),
)


@dataclass(frozen=True)
class Tour:
    """A copy of the example, with a stand-in that runs in it."""

    cloud: standin_server.Standin
    here: Path
    env: dict[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line of shell."""
        words = ["bash", "-c", command]
        return subprocess.run(
            words, cwd=self.here, env=self.env, capture_output=True, encoding="utf-8", check=False
        )


@pytest.fixture
def tour(tmp_path: Path) -> Iterator[Tour]:
    here = shutil.copytree(standin_server.EXAMPLE, tmp_path / "bm-cloud")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in {"bm-sync": f"-c '{START[2]}' ", "python": ""}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        (programs / name).chmod(0o755)
    with standin_server.running(here / "service") as cloud:
        env = World(tmp_path).env | cloud.env(tmp_path / "home") | {"CLOUD_STORAGE": cloud.storage}
        env["PATH"] = f"{programs}:{env['PATH']}"
        yield Tour(cloud, here, env)


def plain(text: str) -> list[str]:
    for form, word in CHANGING:
        text = form.sub(word, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def shown() -> list[tuple[str, str]]:
    """Return every command of the tour with what the README shows below it."""
    parts = [part for block in CONSOLE.findall(README) for part in block.split("$ ")[1:]]
    return [(command, text) for command, _, text in (part.partition("\n") for part in parts)]


def test_every_command_of_the_tour_says_what_the_readme_shows(tour: Tour) -> None:
    tour.cloud.admin("switch", auto_approve="ada")
    steps = shown()
    assert len(steps) >= 15
    for command, text in steps:
        said = tour.run(command)
        assert said.returncode == 0, (command, said)
        expected = plain(text)
        both = plain(said.stdout) + plain(said.stderr)
        assert [line for line in plain(said.stdout) if line not in expected] == [], command
        assert [line for line in expected if line not in both] == [], command
    assert tour.cloud.counts()["storage_without_consistency"] == {}
    assert set(tour.cloud.files("research")) == {".gitignore", "index.md", "winter-cluster.md"}
    assert "bees.md" in tour.cloud.files("handbook", "team")


def test_the_second_apply_of_the_tour_asks_the_service_nothing(tour: Tour) -> None:
    tour.cloud.admin("switch", auto_approve="ada")
    for command in ("bm-sync login --no-browser", "bm-sync apply --yes"):
        assert tour.run(command).returncode == 0
    tour.cloud.take()
    assert tour.run("bm-sync apply --yes").returncode == 0
    counts = tour.cloud.counts()
    assert set(counts) == {"storage", "storage_without_consistency", "webdav"}
    assert (counts["storage"], counts["webdav"]) == ({"LIST": 1}, {"PROPFIND": 1})


def test_the_other_device_confirms_a_sign_in(tour: Tour) -> None:
    waiting = subprocess.Popen(
        ["bm-sync", "login", "--no-browser"],
        executable=f"{tour.env['PATH'].partition(':')[0]}/bm-sync",
        env=tour.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    with waiting:
        deadline = time.monotonic() + 120
        while tour.run("python -m standin.phone approve").returncode:
            assert time.monotonic() < deadline
        said, _ = waiting.communicate(timeout=120)
    assert waiting.returncode == 0
    assert "signed in" in said
