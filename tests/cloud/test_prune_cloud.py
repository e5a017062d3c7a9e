"""`prune --ignored` on Basic Memory Cloud, over its bucket and over WebDAV."""

from __future__ import annotations

from pathlib import Path

import pytest
import standin_server
from cli_outside import World

MANIFEST = """\
version: 1
remotes:
  cloud: {{type: basic-memory-cloud, transport: {transport}, storage: "{storage}"}}
filters: {{rules: {{gitignore: true}}}}
projects:
  research: {{local: ./research, remote: cloud, filters: [rules]}}
  archive: {{remote: cloud, filters: [rules]}}
"""


def _trash(stored: dict[str, bytes]) -> dict[str, bytes]:
    """Return what lies in the trash of any run, by its project and path."""
    found = {name.partition(".bm-sync/trash/")[2]: text for name, text in stored.items()}
    return {name.split("/", 1)[1]: text for name, text in found.items() if name}


@pytest.mark.parametrize("transport", ["s3", "webdav"])
def test_what_is_excluded_goes_into_the_trash_of_the_workspace(
    transport: str, tmp_path: Path
) -> None:
    with standin_server.running(tmp_path / "cloud") as cloud:
        here = World(tmp_path / "home")
        env = cloud.env(here.root, key=True)
        here.write("sync.yaml", MANIFEST.format(transport=transport, storage=cloud.storage))
        here.write("research/a.md", "kept\n")
        here.write("research/.env", "SECRET=1\n")
        first = here.run("apply", "--yes", **env)
        assert (first.code, first.err.count("error")) == (0, 0), first.out
        cloud.put("research/build/old.html", "from another device")
        here.write("research/.gitignore", ".env\nbuild/\n")
        listed = here.run("prune", "--ignored", "--dry-run", **env)
        assert "2 files on cloud:research" in listed.out
        assert "archive: cloud only" in listed.out
        done = here.run("prune", "--ignored", "--accept", "delete=2", **env)
        assert (done.code, done.out.splitlines()[0]) == (
            0,
            "2 files moved into the trash on the remote",
        ), done.out
        stored = cloud.files()
        assert {name for name in stored if ".bm-sync/" not in name} == {"research/a.md"}
        assert _trash(stored) == {
            "research/.env": b"SECRET=1\n",
            "research/build/old.html": b"from another device",
        }
        assert here.files("research")[".env"] == "SECRET=1\n"
        assert here.run("apply", "--yes", **env).code == 0
        assert here.run("plan", "--exit-code", **env).code == 0


def test_a_workspace_that_takes_no_deletions_says_so_and_keeps_everything(tmp_path: Path) -> None:
    with standin_server.running(tmp_path / "cloud", refused={"DELETE": 405}) as cloud:
        here = World(tmp_path / "home")
        env = cloud.env(here.root, key=True)
        here.write("sync.yaml", MANIFEST.format(transport="webdav", storage=cloud.storage))
        here.write("research/a.md", "kept\n")
        here.write("research/.env", "SECRET=1\n")
        assert here.run("apply", "--yes", **env).code == 0
        here.write("research/.gitignore", ".env\n")
        done = here.run("prune", "--ignored", "--accept", "delete=1", **env)
        assert done.code in {1, 3}, done.out
        assert "0 files moved into the trash" in done.out
        assert ".env: " in done.out
        assert cloud.files("research")[".env"] == b"SECRET=1\n"
        assert here.files("research")[".env"] == "SECRET=1\n"
