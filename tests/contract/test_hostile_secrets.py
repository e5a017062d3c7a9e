"""No secret leaves its place: a search of everything that every command says, keeps and starts.

The secrets are canaries: an S3 key, a WebDAV password from a file, an SFTP password written plainly
into the manifest, keys that the store refuses, an API key of the cloud and what the cloud mints; an
address that is secret and that rclone writes otherwise, a connection string, the account of a
service with its private key, a password in rclone.conf, and keys that nobody asked for.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sysconfig
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import servers
import standin_server
from cli_outside import START, World

RCLONE = Path(sysconfig.get_path("scripts")) / "rclone"
REFUSED = "canary-key-that-the-store-refuses"
IN_URL = "canary-password-in-a-url"
IN_PATH = "Canary Capability 1234567890"
IN_QUERY = "canary+of/a=query-1234567890"
ACCOUNT_KEY = base64.b64encode(b"canary of an account key, thirty").decode()
PRIVATE_LINE = "MIICanaryOfAPrivateKey0123456789abcdefghijklmnopqrstuvwxyz012345"
OF_THE_CALLER = "canary-of-the-caller-who-has-AWS-keys"
IN_CONF = "canary-password-in-rclone-conf"
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
            forms |= {quote(secret, safe="").encode(), quote_plus(secret).encode()}
            forms |= {form.lower() for form in forms}
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
    remotes |= odd_remotes(home, stores["dav"].port)
    remotes["conf"] = {"rclone": "mine"}
    obscured = subprocess.check_output([RCLONE, "obscure", IN_CONF], text=True).strip()
    conf = home / ".config/rclone/rclone.conf"
    conf.parent.mkdir(parents=True)
    own = f"url = http://127.0.0.1:{stores['dav'].port}\nuser = {servers.USER}"
    conf.write_text(f"[mine]\ntype = webdav\nvendor = other\n{own}\npass = {obscured}\n")
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


def odd_remotes(home: Path, port: int) -> dict[str, object]:
    """Return remotes whose secrets have parts, at a server that refuses all of them."""
    account = {
        "type": "service_account",
        "client_email": "x@example.org",
        "private_key_id": "1",
        "private_key": f"-----BEGIN PRIVATE KEY-----\n{PRIVATE_LINE}\n-----END-----\n",
        "token_uri": f"http://127.0.0.1:{port}/token",
    }
    (home / "account.json").write_text(json.dumps(account))
    (home / "account.json").chmod(0o600)
    file = {"file": "./account.json"}
    gcs: dict[str, object] = {"service_account_credentials": file, "bucket_policy_only": True}
    return {
        "capability": {"type": "webdav", "options": {"url": {"env": "CAPABILITY"}}},
        "account": {"type": "azureblob", "options": {"connection_string": {"env": "CONNECTION"}}},
        "service": {"type": "gcs", "options": gcs, "root": "bucket"},
    }


def addresses(port: int) -> dict[str, str]:
    """Return an address and a connection string that are secrets, for the environment."""
    account = f"DefaultEndpointsProtocol=http;AccountName=canary;AccountKey={ACCOUNT_KEY};"
    return {
        "CAPABILITY": f"HTTP://127.0.0.1:{port}/Dav/{IN_PATH}/?token={quote_plus(IN_QUERY)}",
        "CONNECTION": f"{account}BlobEndpoint=http://127.0.0.1:{port}/canary;",
    }


def minted(facts: Path) -> Iterator[str]:
    """Yield the keys that the cloud gave, from where they are kept."""
    for file in facts.glob("*.json"):
        assert file.stat().st_mode & 0o777 == 0o600
        keys = json.loads(file.read_text()).get("keys")
        yield from keys[1:] if keys else ()


@pytest.mark.timeout(900)
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
        env |= {"S3_SECRET": servers.SECRET_KEY, "AWS_SECRET_ACCESS_KEY": OF_THE_CALLER}
        env |= addresses(serve_webdav.port)
        env["PYTHONPATH"] = os.pathsep.join(p for p in os.sys.path if p)  # type: ignore[attr-defined]
        declare(home, stores, cloud.storage)
        desk = Desk(home, env)
        api_key = env["BASIC_MEMORY_CLOUD_API_KEY"]
        known = {servers.SECRET_KEY, servers.PASSWORD, REFUSED, IN_URL, api_key, OF_THE_CALLER}
        known |= {IN_PATH, IN_QUERY, ACCOUNT_KEY, PRIVATE_LINE, IN_CONF}
        known |= set(addresses(serve_webdav.port).values())
        search = Search(known)
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
        names = ("sync.yaml", "dav-password", "account.json", ".config/rclone/rclone.conf")
        own = dict.fromkeys((*(home / name for name in names), facts), "its place")
        search.tree(home, own)
    assert codes[("apply",)] != 0, "two remotes refuse"
    assert (tmp_path / "home" / "bucket").is_dir()
    assert len(search.secrets) >= 6, "the cloud has given keys"
    assert search.found == []


CANARY = "canary-9f3b7e21c5d84a60"
DECLARED = "version: 1\nremotes:\n  r: {remote}\nprojects:\n  p: {project}\n"
FINE = {"remote": "{type: local, root: ./shelf}", "project": "{local: ./p, remote: r}"}
WRITTEN = {
    "a remote on the fly": {"remote": f"{{rclone: ':s3,secret_access_key={CANARY}:'}}"},
    "options in a remote": {"remote": f"{{rclone: 'mine,pass=\"{CANARY}\":'}}"},
    "options in a type": {"remote": f"{{type: 's3,secret_access_key={CANARY}'}}"},
    "a connection string": {"remote": f"{{type: 'AccountName=a;AccountKey={CANARY};x'}}"},
    "a root on the fly": {"remote": f"{{type: s3, root: ':webdav,pass={CANARY}:x'}}"},
    "a path on the fly": {"project": f"{{local: ./p, remote: r, path: ':s3,token={CANARY}:'}}"},
    "a folder on the fly": {"project": f"{{local: 's3,token={CANARY}:x', remote: r}}"},
    "a remote in an option": {
        "remote": f"{{type: alias, options: {{remote: ':s3,secret_access_key={CANARY}:x'}}}}"
    },
    "a URL with a slash in its password": {
        "remote": f"{{type: webdav, options: {{url: 'https://u:/{CANARY}@h', provder: x}}}}"
    },
    "a signed URL": {
        "remote": f"{{type: webdav, options: {{url: 'https://h/?sig={CANARY}', provder: x}}}}"
    },
    "a type from the environment": {"remote": "{type: '${DEPLOY_TOKEN}'}"},
    "a remote's name from the environment": {"project": "{local: ./p, remote: '${DEPLOY_TOKEN}'}"},
    "a path from the environment": {"project": "{local: ./p, remote: r, path: '${OTHER}/../x'}"},
    "a folder from the environment": {"project": "{local: './${OTHER}', remote: r}"},
    "a policy from the environment": {"project": "{local: ./p, remote: r, policy: '${OTHER}'}"},
    "a port from the environment": {
        "remote": "{type: sftp, options: {host: h, port: '${OTHER}', user: '${OTHER}'}}"
    },
}
VALIDATED = tuple(("validate", "--format", form) for form in ("text", "json", "github", "sarif"))
SHOWN = (
    *(("plan", "--json"), ("show",), ("show", "--json"), ("show", "--origins"), ("status",)),
    *(("plan",), ("plan", "--format", "markdown"), ("ls", "p"), ("apply", "--yes"), ("history",)),
)


@pytest.mark.parametrize("case", WRITTEN)
def test_what_looks_secret_is_masked_wherever_it_is_written(tmp_path: Path, case: str) -> None:
    here = World(tmp_path)
    here.write("sync.yaml", DECLARED.format(**{**FINE, **WRITTEN[case]}))
    found: list[tuple[str, ...]] = []
    codes: set[int] = set()
    for words in (*VALIDATED, *SHOWN):
        if words not in (*VALIDATED, SHOWN[0]) and codes == {2}:
            break  # what is refused is refused by every command alike
        said = here.run(*words, DEPLOY_TOKEN=CANARY, OTHER=CANARY)
        codes.add(said.code)
        found += [words for text in (said.out, said.err) if CANARY in text or CANARY[7:] in text]
    assert found == []
    assert 70 not in codes


def test_a_mask_does_not_tell_how_long_the_secret_is(tmp_path: Path) -> None:
    here = World(tmp_path)
    texts = []
    for secret in ("short-1", CANARY * 3):
        options = f"{{provder: x, secret_access_key: {secret}}}"
        text = DECLARED.format(**{**FINE, "remote": f"{{type: s3, options: {options}}}"})
        here.write("sync.yaml", text)
        texts.append([here.run("validate", "--format", f).out for f in ("text", "json", "github")])
    assert texts[0] == texts[1]


def test_only_the_number_of_patterns_of_a_file_is_shown(tmp_path: Path) -> None:
    here = World(tmp_path / "mine")
    (tmp_path / "private").write_text(f"root:{CANARY}\n[:{CANARY}\n*.tmp\n")
    here.write("own.ignore", "*.bak\n")
    filters = f"filters: {{f: {{ignore_files: ['{tmp_path}/private', own.ignore]}}}}\n"
    project = "{local: ./p, remote: r, filters: [f]}"
    here.write("sync.yaml", DECLARED.format(**{**FINE, "project": project}) + filters)
    here.write("p/a.md")
    for words in (
        *VALIDATED,
        *SHOWN,
        ("show", "--rules"),
        ("show", "--rules", "--json"),
        ("why", "p/a.md"),
    ):
        said = here.run(*words)
        assert CANARY not in said.out + said.err, words
    shown = here.run("show", "--json").json["data"]["projects"]["p"]["filters"]["ignore_files"]
    assert [file["patterns"] for file in shown] == [2, 1]
    assert "bak" not in here.run("show").out
    assert '"*.bak"' in here.run("show", "--rules").out
