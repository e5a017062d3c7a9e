"""Fixtures that are real servers, shared by every test that needs one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import servers
import two_users


@pytest.fixture(scope="session")
def serve_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.serve_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def serve_webdav(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.serve_webdav(tmp_path_factory.mktemp("webdav")) as server:
        yield server


@pytest.fixture(scope="session")
def serve_sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.serve_sftp(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def for_all_users() -> Iterator[two_users.Installation]:
    with two_users.installed() as installation:
        yield installation


@pytest.fixture
def machine(for_all_users: two_users.Installation) -> Iterator[two_users.Machine]:
    with two_users.machine(for_all_users, (two_users.ANNA, two_users.MALLORY)) as made:
        yield made
