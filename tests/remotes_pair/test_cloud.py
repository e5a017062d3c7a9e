"""A project of Basic Memory Cloud takes the place of the local folder, whatever the way to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import standin_server
from machine.dav import WORKSPACE, DavShore
from remotes_pair.pair import Pair, Place, folder
from standin_server import Standin

from bm_sync.model.run import Status
from bm_sync.model.tree import Side
from bm_sync.structs import replace

LOCAL, REMOTE = Side.LOCAL, Side.REMOTE


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standin_server.running(tmp_path_factory.mktemp("standin")) as one:
        yield one


def between(cloud: Standin, transport: str, home: Path) -> Pair:
    """Return a pair of a project of the cloud and a folder remote."""
    declared: dict[str, object] = {
        "type": "basic-memory-cloud",
        "workspace": WORKSPACE,
        "transport": transport,
        "storage": cloud.storage,
    }
    name = f"notes-{transport}"
    pair = Pair(home, Place(declared, DavShore(cloud, name)), folder(home), source=f"near:{name}")
    pair.setup = replace(pair.setup, env=cloud.env(home / "home", key=True))
    return pair


@pytest.mark.parametrize("transport", ["s3", "webdav"])
def test_a_project_of_the_cloud_is_kept_in_sync_with_another_remote(
    cloud: Standin, tmp_path: Path, transport: str
) -> None:
    cloud.admin("add-project", workspace=WORKSPACE, name=f"notes-{transport}")
    pair = between(cloud, transport, tmp_path)
    pair.write(LOCAL, "a.md", "of the cloud")
    pair.write(LOCAL, "d/b.md", "of the cloud, too")
    assert pair.apply().exit == 0
    assert pair.texts(REMOTE) == {"a.md": "of the cloud", "d/b.md": "of the cloud, too"}
    pair.write(REMOTE, "a.md", "changed at the remote")
    pair.write(LOCAL, "new.md", "new on the cloud")
    pair.there.delete("d/b.md")
    done = pair.apply()
    assert done.exit == 0, done
    assert pair.texts(LOCAL) == pair.texts(REMOTE)
    assert pair.texts(LOCAL) == {"a.md": "changed at the remote", "new.md": "new on the cloud"}
    assert pair.apply().status is Status.IN_SYNC
    assert pair.undo().exit == 0
    assert pair.texts(LOCAL) == pair.texts(REMOTE)
    assert pair.texts(LOCAL).keys() == {"a.md", "d/b.md"}


def test_a_project_that_the_cloud_does_not_have_is_not_made_there(
    cloud: Standin, tmp_path: Path
) -> None:
    pair = between(cloud, "none", tmp_path)
    pair.near.declared["transport"] = "webdav"
    pair.write(REMOTE, "a.md", "here")
    done = pair.apply()
    assert done.status is Status.FAILED
    assert done.message == "there is no project 'notes-none' on near, which it should be from"
