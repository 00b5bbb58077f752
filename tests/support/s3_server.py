"""Runs an S3 server, that of moto, which a test may stop and start."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def bucket_url(folder: Path) -> str:
    """A place of the test's own: moto keeps its buckets as long as the process lives."""
    return f"s3://recordings/{folder.name}"


class MotoServer:
    """An S3 that can be away."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._server: Any = None

    def start(self) -> None:
        """Answer from now on."""
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        """Be away."""
        if self._server is not None:
            self._server.stop()
            self._server = None


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoServer]:
    """An S3 with a bucket."""
    import boto3
    from s3fs import S3FileSystem

    server = MotoServer()
    endpoint = f"http://127.0.0.1:{server.port}"
    environment = {"endpoint_url": endpoint, "access_key_id": "a", "secret_access_key": "b"}
    for name, value in (environment | {"default_region": "us-east-1", "max_attempts": "1"}).items():
        monkeypatch.setenv(f"AWS_{name.upper()}", value)
    S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(S3FileSystem, "retries", 1)
    server.start()
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="recordings")
    yield server
    server.stop()
    S3FileSystem.clear_instance_cache()
