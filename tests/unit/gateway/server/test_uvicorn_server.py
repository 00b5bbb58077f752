"""Checks on which addresses the gateway listens."""

import socket
from pathlib import Path
from typing import Any

import pytest

from gateway.server.uvicorn_server import bind, bind_beside
from gateway.settings import GatewaySettings


def addresses(*hosts: str) -> Any:
    """What the resolver says of a name that has several addresses."""

    def resolve(_host: str, port: int, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]

    return resolve


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (("127.0.0.1",), ["127.0.0.1"]),
        (("127.0.0.2", "127.0.0.1"), ["127.0.0.2", "127.0.0.1"]),
        (("127.0.0.1", "192.0.2.1"), ["127.0.0.1"]),  # An address that no machine has.
        (("127.0.0.1", "127.0.0.1"), ["127.0.0.1"]),
    ],
)
def test_a_name_is_listened_on_at_each_of_its_addresses_that_can_be_had(
    hosts: tuple[str, ...], expected: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", addresses(*hosts))
    settings = GatewaySettings(gateway_host="localhost", gateway_port=0, data_dir=tmp_path)
    with bind(settings) as first:
        sockets = [first, *bind_beside(settings, first)]
        port = first.getsockname()[1]
        try:
            assert [each.getsockname() for each in sockets] == [(host, port) for host in expected]
        finally:
            for each in sockets:
                each.close()
