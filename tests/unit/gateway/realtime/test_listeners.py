"""Which listeners the settings ask for."""

from typing import Any, cast

import pytest

from gateway.realtime.listener import ListenerParts
from gateway.realtime.listeners import make_listeners
from gateway.settings import GatewaySettings
from runtime.errors import StartupError

PARTS = cast(ListenerParts, type("Parts", (), {"directory": None}))


def made(**settings: Any) -> list[str]:
    return [type(each).__name__ for each in make_listeners(GatewaySettings(**settings), PARTS)]


def test_none_is_there_that_nobody_asks_for() -> None:
    assert made() == []
    assert made(wyoming_port=0, riva_port=0) == ["WyomingListener", "RivaListener"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_wyoming_is_served_on_this_machine(host: str) -> None:
    assert made(wyoming_port=1, wyoming_host=host) == ["WyomingListener"]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "house.example"])
def test_wyoming_is_served_to_others_where_that_is_meant(host: str) -> None:
    with pytest.raises(StartupError, match="DALSTON_WYOMING_OPEN=on"):
        made(wyoming_port=1, wyoming_host=host)
    assert made(wyoming_port=1, wyoming_host=host, wyoming_open="on") == ["WyomingListener"]
