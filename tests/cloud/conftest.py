"""The stand-in of the cloud, one for all tests of a process, and as new for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cloud_user
import pytest
import standin_server
from cloud_user import User
from standin_server import Standin


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    with standin_server.running(tmp_path_factory.mktemp("standin")) as found:
        yield found


@pytest.fixture
def service(_running: Standin) -> Standin:
    """Return the stand-in without faults, with every switch as it begins, and counts at zero."""
    cloud_user.begin_anew(_running)
    return _running


@pytest.fixture
def user(service: Standin, tmp_path: Path) -> User:
    """Return somebody whose cloud this is, not signed in."""
    return User(tmp_path / "home", service)
