"""Fixtures that are real servers, shared by every test that needs one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import servers


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
