"""No secret leaves its place: a search of everything that every command says, keeps and starts.

The secrets are canaries: an S3 key, a WebDAV password from a file, an SFTP password written plainly
into the manifest, keys that the store refuses, an API key of the cloud and what the cloud mints.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import servers
import standin_server
from cli_outside import START

REFUSED = "canary-key-that-the-store-refuses"
IN_URL = "canary-password-in-a-url"
COMMANDS = (
    ("plan",),
    ("plan", "--json"),
    ("-vv", "plan", "--out", "saved.plan"),
    ("apply",),
    ("-v", "apply", "--progress", "json"),
    ("status",),
    ("history",),
    ("history", "--json"),
    ("-vv", "check"),
    ("ls", "bucket"),
    ("doctor",),
    ("show", "--origins"),
    ("show", "--json"),
    ("show", "saved.plan", "--json"),
    ("validate",),
    ("conflicts",),
    ("unlock", "bucket", "dav"),
    ("undo", "--dry-run"),
    ("versions", "bucket/a.md"),
    ("why", "bucket/a.md"),
    ("reset", "dav", "--yes"),
    ("cloud", "status"),
)


@dataclass
class Search:
    """Where secrets were found that should be nowhere."""

    secrets: set[str]
    found: list[str] = field(default_factory=list)

    def text(self, where: str, data: bytes) -> None:
        """Look through some bytes, also for what encodings make of a secret."""
        for secret in self.secrets:
            plain = secret.encode()
            forms = {plain, base64.b64encode(plain), quote(secret).encode(), plain.hex().encode()}
            forms.add(base64.b64encode(f"{servers.USER}:{secret}".encode()))
            if any(form in data for form in forms):
                self.found.append(f"{secret} in {where}")

    def tree(self, top: Path, leave: Mapping[Path, str]) -> None:
        """Look through every file below a folder but those where a secret belongs."""
        for file in sorted(top.rglob("*")):
            kept = any(file == place or place in file.parents for place in leave)
            if file.is_file() and not file.is_symlink() and not kept:
                self.text(str(file), file.read_bytes())
                self.text("a file's name", os.fsencode(file.name))

    def processes(self, top: int) -> None:
        """Look through arguments and environment of all that a process has started.

        A child that has not become another program yet is still a copy of its parent, with its
        environment; that is told by its arguments, which are looked at first.
        """
        own = Path(f"/proc/{top}/cmdline")
        for pid in _below(top):
            with contextlib.suppress(OSError):
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
                self.text(f"arguments of {pid}", arguments)
                if arguments != own.read_bytes():
                    self.text(f"environment of {pid}", Path(f"/proc/{pid}/environ").read_bytes())


def _below(top: int) -> set[int]:
    """Return a process and everything below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError):
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text().rpartition(")")[2].split()[1]
                )
    found = {top}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


@dataclass(frozen=True)
class Desk:
    """A home with a manifest full of secrets."""

    home: Path
    env: dict[str, str]

    def run(self, search: Search, *words: str) -> int:
        """Run a command line; look through all it says and all it starts meanwhile."""
        process = subprocess.Popen(
            [*START, *words],
            cwd=self.home,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process, _watched(search, process.pid) as looks:
            out, err = process.communicate(timeout=240)
        assert looks
        search.text(f"the output of {words}", out)
        search.text(f"what {words} said beside", err)
        assert process.returncode != 70, err
        return process.returncode


@contextlib.contextmanager
def _watched(search: Search, pid: int) -> Iterator[list[int]]:
    looks: list[int] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            search.processes(pid)
            looks.append(pid)

    search.processes(pid)
    looks.append(pid)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield looks
    finally:
        ended.set()
        thread.join()


def declare(home: Path, stores: Mapping[str, servers.Server], storage: str) -> None:
    """Write a manifest with a project on each kind of remote, one of which refuses its keys."""
    s3 = {**dict(stores["s3"].options), "secret_access_key": {"env": "S3_SECRET"}}
    dav = {**dict(stores["dav"].options), "pass": {"file": "./dav-password"}}
    sftp = dict(stores["sftp"].options)
    wrong = {**s3, "secret_access_key": REFUSED}
    url = f"http://someone:{IN_URL}@127.0.0.1:{stores['dav'].port}"
    roots = {"bucket": "bucket/secrets", "refused": "bucket/refused"}
    kinds = {
        "bucket": ("s3", s3),
        "dav": ("webdav", dav),
        "sftp": ("sftp", sftp),
        "refused": ("s3", wrong),
        "in-url": ("webdav", {"url": url, "vendor": "other"}),
    }
    remotes: dict[str, object] = {
        name: {"type": kind, "options": options, "root": roots.get(name, "secrets")}
        for name, (kind, options) in kinds.items()
    }
    remotes["cloud"] = {"type": "basic-memory-cloud", "storage": storage}
    projects = {n: {"local": f"./{n}", "remote": n, "path": f"{n}-notes"} for n in remotes}
    body = {
        "version": 1,
        "remotes": remotes,
        "policies": {"p": {"retry": {"attempts": 1}}},
        "defaults": {"policy": "p"},
        "projects": projects,
    }
    (home / "sync.yaml").write_text(json.dumps(body, indent=1))
    (home / "dav-password").write_text(servers.PASSWORD)
    (home / "dav-password").chmod(0o600)
    for name in projects:
        (home / name).mkdir()
        (home / name / "a.md").write_text("a\n")


def minted(facts: Path) -> Iterator[str]:
    """Yield the keys that the cloud gave, from where they are kept."""
    for file in facts.glob("*.json"):
        assert file.stat().st_mode & 0o777 == 0o600
        keys = json.loads(file.read_text()).get("keys")
        yield from keys[1:] if keys else ()


def test_no_secret_is_anywhere_but_in_its_place(
    tmp_path: Path,
    serve_s3: servers.Server,
    serve_webdav: servers.Server,
    serve_sftp: servers.Server,
) -> None:
    home = tmp_path / "home"
    stores = {"s3": serve_s3, "dav": serve_webdav, "sftp": serve_sftp}
    with standin_server.running(tmp_path / "cloud") as cloud:
        env = cloud.env(home, key=True)
        env["S3_SECRET"] = servers.SECRET_KEY
        env["PYTHONPATH"] = os.pathsep.join(p for p in os.sys.path if p)  # type: ignore[attr-defined]
        declare(home, stores, cloud.storage)
        desk = Desk(home, env)
        api_key = env["BASIC_MEMORY_CLOUD_API_KEY"]
        search = Search({servers.SECRET_KEY, servers.PASSWORD, REFUSED, IN_URL, api_key})
        codes = {words: desk.run(search, *words) for words in COMMANDS}
        told = subprocess.run(
            [*START, "history", "--json"], cwd=home, env=env, capture_output=True, check=True
        )
        run = json.loads(told.stdout)["data"][0]
        desk.run(search, "-vv", "history", run["id"])
        for name in ("bucket", "dav", "sftp", "cloud"):
            (home / name / "a.md").write_text("changed\n")
        assert desk.run(search, "--json", "-vv", "apply", "saved.plan") == 8
        desk.run(search, "-vv", "apply")
        facts = home / ".local" / "state" / "bm-sync" / "cloud"
        search.secrets |= set(minted(facts))
        own = dict.fromkeys((home / "sync.yaml", home / "dav-password", facts), "its place")
        search.tree(home, own)
    assert codes[("apply",)] != 0, "two remotes refuse"
    assert (tmp_path / "home" / "bucket").is_dir()
    assert len(search.secrets) >= 6, "the cloud has given keys"
    assert search.found == []
