"""Run the stand-in of Basic Memory Cloud as a real process, and reach what it offers to tests."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bm_sync.rclone.daemon import dying_with

EXAMPLE = Path(__file__).parents[1] / "examples/basic-memory-cloud"
_WITHIN_S = 60.0


@dataclass(frozen=True)
class Standin:
    """A stand-in that runs: `host` (service, sign-in and WebDAV) and `storage` (S3) are URLs.

    The people are ada and grace. Workspaces by slug: `ada` and `grace` (personal, owned), `team`
    (ada is editor, grace owner), `library` (ada is viewer), `studio` (ada is owner); the last
    three are organizations. Everything is in `folder`.
    """

    host: str
    storage: str
    pid: int
    folder: Path

    def admin(self, call: str, **said: object) -> Any:  # noqa: ANN401 - JSON
        """Act on it: `call` is one of standin.admin's, such as `switch` or `fault`."""
        return self._asked(call, json.dumps(said).encode())

    def look(self, call: str, **query: str) -> Any:  # noqa: ANN401 - JSON
        """Read `status`, `codes`, `log`, `counts` or `files`."""
        return self._asked(f"{call}?{urllib.parse.urlencode(query)}", None)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how often each kind of request came, by oauth, control, webdav and storage.

        `storage_without_consistency` counts those without `X-Tigris-Consistent: true`.
        """
        found: dict[str, dict[str, int]] = self.look("counts")
        return found

    def take(self) -> dict[str, dict[str, int]]:
        """Return the counts, and begin anew."""
        found = self.counts()
        self.admin("reset-counts")
        return found

    def calls(self, server: str) -> int:
        """Return how many requests one of the servers took."""
        return sum(self.counts().get(server, {}).values())

    def api_key(self, account: str = "ada") -> str:
        """Make an API key of an account."""
        return str(self.admin("api-key", account=account)["key"])

    def env(self, home: Path, *, key: bool = False) -> dict[str, str]:
        """Return the environment of a user whose cloud this is, signed in by a key if asked."""
        home.mkdir(parents=True, exist_ok=True)
        env = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_STATE_HOME": str(home / ".local/state"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "BASIC_MEMORY_CLOUD_HOST": self.host,
            "BASIC_MEMORY_CLOUD_DOMAIN": self.host,
        }
        if key:
            env["BASIC_MEMORY_CLOUD_API_KEY"] = self.api_key()
        return env

    def put(
        self, key: str, content: bytes | str, workspace: str = "ada", mtime_s: float | None = None
    ) -> None:
        """Write a file as another device would; `key` is `project path/file`."""
        text = content.encode() if isinstance(content, str) else content
        said = {"workspace": workspace, "key": key, "content": base64.b64encode(text).decode()}
        self.admin("put-file", **said, mtime_s=mtime_s)

    def delete(self, key: str, workspace: str = "ada") -> None:
        """Delete a file as another device would."""
        self.admin("delete-file", workspace=workspace, key=key)

    def bucket(self, workspace: str = "ada") -> Path:
        """Return the folder of a workspace's bucket. Only read it: S3 overlooks what is written."""
        rows = self.look("status")["workspaces"]
        (name,) = (w["bucket"] for w in rows if w["slug"] == workspace)
        return self.folder / "buckets" / str(name)

    def files(self, prefix: str = "", workspace: str = "ada") -> dict[str, bytes]:
        """Return what lies in a workspace's bucket below a folder, by its path there."""
        top = self.bucket(workspace) / prefix
        found = sorted(path for path in top.rglob("*") if path.is_file())
        return {path.relative_to(top).as_posix(): path.read_bytes() for path in found}

    def tenant(self, workspace: str = "ada") -> str:
        """Return the id of a workspace."""
        rows = self.look("status")["workspaces"]
        return str(next(w["tenant_id"] for w in rows if w["slug"] == workspace))

    def _asked(self, call: str, body: bytes | None) -> Any:  # noqa: ANN401 - JSON
        request = urllib.request.Request(f"{self.host}/_standin/{call}", body)  # noqa: S310 - http
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_WITHIN_S) as answer:
            return json.load(answer)


@contextlib.contextmanager
def running(
    folder: Path, *, port: int = 0, s3_port: int = 0, auto_approve: str = "", **switches: object
) -> Iterator[Standin]:
    """Run it until the block ends; `switches` are those of standin.world.Switches."""
    command = [sys.executable, "-m", "standin", f"--folder={folder}", f"--port={port}"]
    command += [f"--s3-port={s3_port}", f"--switches={json.dumps(switches)}"]
    command += [f"--auto-approve={auto_approve}"] if auto_approve else []
    with warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads; the child only calls exec
        warnings.simplefilter("ignore", DeprecationWarning)
        process = subprocess.Popen(
            command,
            cwd=EXAMPLE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=dying_with(os.getpid()),  # noqa: PLW1509 - not to outlive a killed run
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the stand-in ended with code {process.wait()}")
            told = json.loads(line)
            yield Standin(told["host"], told["storage"], told["pid"], folder)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_WITHIN_S)
            process.kill()
