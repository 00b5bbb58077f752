"""Where a process listens in, how others reach it out."""

import errno
import socket

import pytest

from runtime.addresses import cannot_listen, own_ip, reached_at, shown_at


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


@pytest.mark.parametrize(
    ("host", "advertised", "shown"),
    [
        ("127.0.0.1", None, "127.0.0.1:8000"),
        ("127.0.0.1", "asr.example", "127.0.0.1:8000"),
        ("::1", None, "[::1]:8000"),
        ("0.0.0.0", "asr.example", "asr.example:8000"),
    ],
)
def test_people_are_shown(host: str, advertised: str | None, shown: str) -> None:
    assert shown_at(host, 8000, advertised) == shown


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_people_are_shown_an_address_of_this_machine_where_it_listens_on_all(host: str) -> None:
    shown = shown_at(host, 8000, None)
    assert own_ip() in shown
    assert "0.0.0.0" not in shown
    assert "[::]" not in shown


def test_a_machine_without_network_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> socket.socket:
        raise OSError

    monkeypatch.setattr(socket, "socket", unreachable)
    assert own_ip() == socket.gethostname()


def test_an_address_that_is_taken_is_named_once() -> None:
    asyncio_says = "error while attempting to bind on address ('127.0.0.1', 9000): address already in use"
    error = cannot_listen("receiver", "127.0.0.1", 9000, OSError(errno.EADDRINUSE, asyncio_says))
    assert str(error) == (
        "can't listen on 127.0.0.1 port 9000: address already in use; set another DALSTON_RECEIVER_PORT"
    )
