"""A fleet in a workspace of Basic Memory Cloud, over its bucket and over WebDAV."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import standin_server
from cli_outside import World

MANIFEST = """\
version: 1
remotes:
  cloud: {{type: basic-memory-cloud, transport: {transport}, storage: "{storage}"}}
fleet: {fleet}
projects:
  research: {{local: ./research, remote: cloud}}
"""


@pytest.mark.parametrize("transport", ["s3", "webdav"])
def test_machines_of_a_workspace_leave_their_notes_outside_of_every_project(
    transport: str, tmp_path: Path
) -> None:
    with standin_server.running(tmp_path / "cloud") as cloud:
        here = World(tmp_path / "home")
        env = {**cloud.env(here.root, key=True), "BM_SYNC_HOST": "desk"}
        said = {"transport": transport, "storage": cloud.storage}
        here.write("sync.yaml", MANIFEST.format(**said, fleet="cloud"))
        here.write("research/a.md", "kept\n")
        for _ in range(2):
            done = here.run("apply", "--yes", **env)
            assert (done.code, "fleet" in done.err + done.out) == (0, False), done
        (name,) = [name for name in cloud.files() if name.endswith(".json")]
        assert name.partition(".bm-sync/")[2].startswith("fleet/desk-")
        assert json.loads(cloud.files()[name])["host"] == "desk"
        seen = here.run("fleet", "status", "--json", **env)
        assert [host["standing"] for host in seen.json["data"]["hosts"]] == ["fine"]
        assert here.run("fleet", "forget", "desk", "--yes", **env).code == 0
        assert [name for name in cloud.files() if name.endswith(".json")] == []
        here.write("sync.yaml", MANIFEST.format(**said, fleet="cloud:machines"))
        refused = here.run("validate", **env)
        assert refused.code == 2
        assert "every folder of a Basic Memory Cloud workspace is a project" in refused.out
