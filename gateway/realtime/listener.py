"""Defines what a listener is: a port of its own for clients that speak another transport than WebSockets."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from gateway.auth.request_guard import RequestGuard
from gateway.capacity.directory import WorkerDirectory
from gateway.metrics import GatewayMetrics
from gateway.realtime.connection_count import ConnectionCount
from gateway.realtime.dialect_endpoint import DialectGate
from runtime.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ListenerTimes:
    """Seconds that a listener waits for its clients.

    - request: for a request, once it has begun to arrive.
    - flush: for the last results of a client that does not read them.
    - machine: for a sign of the client's machine, where something was sent to it.
    - idle: for the next request of a connection.
    """

    request: float = 10.0
    flush: float = 10.0
    machine: float = 60.0
    idle: float = 60.0


@dataclass(frozen=True, slots=True)
class ListenerParts:
    """What a listener needs of its gateway."""

    guard: RequestGuard
    gate: DialectGate
    directory: WorkerDirectory
    connections: ConnectionCount
    metrics: GatewayMetrics
    times: ListenerTimes

    def note_ignored(self, dialect: str, flags: Collection[str]) -> None:
        """Count what a client asks for and nobody does, and log it."""
        for flag in flags:
            self.metrics.ignored.labels(dialect, flag).inc()
        if flags:
            log.info("ignored what a client asks for", dialect=dialect, flags=",".join(flags))


class Listener(Protocol):
    """Serves the clients of one port."""

    async def open(self) -> None:
        """Listen from now on, or `StartupError`."""

    def stop(self) -> None:
        """Take no new client, and let go of those that wait for nothing."""

    async def close(self) -> None:
        """Cut off who is still there."""


def bracketed(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host
