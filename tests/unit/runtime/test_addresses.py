"""Where a process listens in, how others reach it out."""

import socket

import pytest

from runtime.addresses import reached_at


@pytest.mark.parametrize(
    ("host", "advertised", "reached"),
    [
        ("127.0.0.1", None, "127.0.0.1:9000"),
        ("10.0.0.2", "worker.example", "worker.example:9000"),
        ("0.0.0.0", None, f"{socket.gethostname()}:9000"),
        ("::", None, f"{socket.gethostname()}:9000"),
        ("::", "10.0.0.2", "10.0.0.2:9000"),
        ("::1", None, "[::1]:9000"),
        ("0.0.0.0", "fd00::2", "[fd00::2]:9000"),
        ("0.0.0.0", "[fd00::2]", "[fd00::2]:9000"),
    ],
)
def test_others_reach_it(host: str, advertised: str | None, reached: str) -> None:
    assert reached_at(host, 9000, advertised) == reached
