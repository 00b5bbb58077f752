"""Makes the listeners that the settings ask for."""

from collections.abc import Iterator

from gateway.auth.request_facts import is_loopback_host
from gateway.realtime.listener import Listener, ListenerParts, bracketed
from gateway.realtime.wyoming.listener import WyomingListener
from gateway.realtime.wyoming.program import WyomingProgram
from gateway.settings import GatewaySettings
from runtime.errors import StartupError
from runtime.extras import require_extra


def make_listeners(settings: GatewaySettings, parts: ListenerParts) -> list[Listener]:
    """The listeners; none of them is open yet.

    Raises:
        StartupError: one would be open to others and must not, or lacks its library.
    """
    return list(_listeners(settings, parts))


def _listeners(settings: GatewaySettings, parts: ListenerParts) -> Iterator[Listener]:
    if settings.wyoming_port is not None:
        _check_wyoming(settings)
        program = WyomingProgram(parts.directory, client_ends=settings.wyoming_endpointing == "client")
        yield WyomingListener(settings.wyoming_host, settings.wyoming_port, parts, program)
    if settings.riva_port is not None:
        require_extra("riva", "DALSTON_RIVA_PORT")
        from gateway.realtime.riva.listener import RivaListener  # It loads gRPC, which takes 20 MB.

        yield RivaListener(settings.riva_host, settings.riva_port, parts)


def _check_wyoming(settings: GatewaySettings) -> None:
    """Refuse to let everybody in by mistake: the protocol knows no keys."""
    host = settings.wyoming_host
    if settings.wyoming_open == "off" and not is_loopback_host(bracketed(host)):
        raise StartupError(
            f"Wyoming knows no keys, so at {host} whoever reaches this machine could use it: set"
            " DALSTON_WYOMING_OPEN=on if that is meant, or DALSTON_WYOMING_HOST=127.0.0.1"
        )
