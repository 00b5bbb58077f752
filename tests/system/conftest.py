"""Starts a real server once for the tests that need one."""

from collections.abc import Iterator

import pytest

from runtime.local_server import LocalServer
from tests.support.servers import whole_server


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """The whole Procfile, with two processes of every stage behind the receiver."""
    fanout = "vad=2,asr=2,assembler=2,sender=2"
    with whole_server(concurrency=fanout, fanout=fanout, resume_window="5") as running:
        yield running
