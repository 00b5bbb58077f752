"""Serves the path of a dialect: refuses a client before the upgrade, or serves it to its end."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.types import Scope
from starlette.websockets import WebSocket

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.parameters import Overflow, SessionConfig
from gateway.auth.principal import Principal
from gateway.auth.request_guard import RequestGuard
from gateway.auth.session_leases import SessionLease
from gateway.capacity.directory import WorkerDirectory, WorkerSnapshot
from gateway.http import ErrorBody, no_capacity_reply
from gateway.metrics import GatewayMetrics
from gateway.model_names import ModelNames
from gateway.realtime.admission import Admission, read_pairs
from gateway.realtime.connection_count import ConnectionCount
from gateway.realtime.dialect_connection import DialectConnection, DialectTimes
from gateway.realtime.dialects.dialect import Dialect, Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.refusal import ConnectionRefused, check_connections, restarting, serve_or_refuse
from gateway.sessions.port import SessionPort
from gateway.sessions.session_manager import SessionManager
from runtime.logs import get_logger

log = get_logger(__name__)

# Seconds for Redis to learn that a client goes; a slower one does not hold up the close.
RELEASE_S: Final = 0.1
IGNORED_HEADER: Final = "x-ignored"
"""Names what a client asks for and this server does not do."""


@dataclass(frozen=True, slots=True)
class FullPolicy:
    """What the server does where all slots are taken, and the seconds until a client may ask again."""

    overflow: Overflow
    retry_after: float


class DialectGate:
    """Lets clients of all dialects in, by what the live workers can serve."""

    def __init__(
        self,
        guard: RequestGuard,
        sessions: SessionManager,
        admission: Admission,
        directory: WorkerDirectory,
        names: ModelNames,
        metrics: GatewayMetrics,
        full: FullPolicy,
    ) -> None:
        self._guard, self._sessions = guard, sessions
        self._admission, self._directory = admission, directory
        self._names, self._metrics, self._full = names, metrics, full

    @property
    def retry_after(self) -> float:
        """Seconds until a client that is refused may ask again."""
        return self._full.retry_after

    async def identify(self, client: WebSocket, credential: str | None) -> Principal:
        """Who a client is.

        Raises:
            RequestRefused: nobody who may have a session.
        """
        return await self._guard.admit_credential(client, credential, "transcribe")

    async def reserve(self, principal: Principal, *, is_shared: bool = False) -> SessionLease:
        """A place for a session, or, where it `is_shared`, for those of a connection, one after the other.

        Raises:
            LimitReached: the client has used what it may.
        """
        return await self._sessions.reserve(principal, is_shared=is_shared)

    def begin(self, config: SessionConfig, principal: Principal, lease: SessionLease) -> SessionPort:
        """Begin a session; its client can't come back to it, since no dialect has words for that.

        Where its token is for one model it has that, whatever its client calls it.
        """
        config = replace(config, model=principal.model or config.model)
        return self._sessions.begin(config, principal, lease, resumable=False)

    async def admit(self, config: SessionConfig) -> SessionConfig:
        """The parameters with our name of the model, and with what the server adds.

        Raises:
            InvalidParameter: no worker could serve that.
        """
        if config.overflow and not self._admission.allows(config.overflow):
            config = replace(config, overflow=None)  # Its client asks for nothing, only its dialect does.
        snapshot = await self._snapshot()
        loaded = {name for info, _ in snapshot.models() for name in (info.name, info.variant)}
        return await self._admission.check(replace(config, model=self._names.resolve(config.model, loaded)))

    async def check_room(self, config: SessionConfig) -> None:
        """Refuse a client for whom no slot is free now.

        Raises:
            ConnectionRefused: there is none, and such clients do not wait.
        """
        snapshot = await self._snapshot()
        if (config.overflow or self._full.overflow) == "reject" and snapshot.status != "ready":
            message = "all slots are taken" if snapshot.alive else "no worker is there"
            raise ConnectionRefused(no_capacity_reply(message, self._full.retry_after))

    def note_ignored(self, dialect: str, flags: tuple[str, ...]) -> None:
        """Count what a client asks for and nobody does."""
        for flag in flags:
            self._metrics.ignored.labels(dialect, flag).inc()
        if flags:
            log.info("ignored what a client asks for", dialect=dialect, flags=",".join(flags))

    async def _snapshot(self) -> WorkerSnapshot:
        try:
            return await self._directory.get()
        except RegistryUnavailable:
            return WorkerSnapshot(())


class KnownClient:
    """One client's way to sessions: they belong to whom its credential says."""

    def __init__(self, gate: DialectGate, client: WebSocket) -> None:
        self._gate, self._client = gate, client
        self._principal: Principal | None = None
        self._lease: SessionLease | None = None

    async def identify(self, credential: str | None) -> None:
        """Find out who the client is, and keep a place for its sessions until `leave`.

        Raises:
            RequestRefused: nobody who may have a session.
        """
        self._principal = await self._gate.identify(self._client, credential)
        self._lease = await self._gate.reserve(self._principal, is_shared=True)

    async def leave(self) -> None:
        """Give the place back, before the client is told that it may go: it may come again at once."""
        if self._lease is not None:
            self._lease.release()
            await self._lease.wait_released(RELEASE_S)

    @property
    def session(self) -> str | None:
        """What the client's token says of its session, where it has one that does."""
        return self._principal.session if self._principal is not None else None

    async def admit(self, config: SessionConfig) -> SessionConfig:
        """The parameters as the server takes them.

        Raises:
            InvalidParameter: no worker could serve that.
        """
        return await self._gate.admit(config)

    def note_ignored(self, dialect: str, flags: tuple[str, ...]) -> None:
        """Count what the client asks for and nobody does."""
        self._gate.note_ignored(dialect, flags)

    def begin(self, config: SessionConfig) -> SessionPort:
        """Begin a session."""
        assert self._principal is not None, "a dialect passed on audio of somebody unknown"
        assert self._lease is not None, "who is known has a place"
        return self._gate.begin(config, self._principal, self._lease)


class DialectEndpoint:
    """Serves each client that connects to the path of a dialect."""

    def __init__(
        self,
        dialect: Dialect,
        gate: DialectGate,
        connections: ConnectionCount,
        metrics: GatewayMetrics,
        times: DialectTimes,
        stopping: asyncio.Event,
    ) -> None:
        """`stopping` is set where the gateway goes away."""
        self._dialect, self._gate, self._connections = dialect, gate, connections
        self._metrics, self._times, self._stopping = metrics, times, stopping

    async def __call__(self, client: WebSocket) -> None:
        """Judge the request, accept it, and serve it to its end."""
        await serve_or_refuse(self._answer(client), partial(self._refuse, client))

    async def _answer(self, client: WebSocket) -> None:
        opening = self._dialect.open(read_handshake(client.scope))
        known = KnownClient(self._gate, client)
        try:
            await self._admit(client, opening, known)
        finally:
            await known.leave()

    async def _admit(self, client: WebSocket, opening: Opening, known: KnownClient) -> None:
        if not opening.identifies_later:
            await known.identify(opening.credential)
        if known.session is not None:
            opening = self._dialect.open_with(read_handshake(client.scope), known.session)
        config = await known.admit(opening.config)
        if self._stopping.is_set():
            raise restarting()
        if self._dialect.refuses_when_full:
            await self._gate.check_room(config)
        check_connections(self._connections, self._gate.retry_after)
        with self._connections.counted():
            await self._serve(client, opening, config, known)

    async def _serve(
        self, client: WebSocket, opening: Opening, config: SessionConfig, known: KnownClient
    ) -> None:
        self._gate.note_ignored(self._dialect.name, opening.ignored)
        await client.accept(opening.subprotocol, _header_list(opening))
        self._metrics.dialects.labels(self._dialect.name).inc()
        conversation = opening.begin(config)
        await DialectConnection(client, conversation, config, known, self._times, self._stopping).serve()

    async def _refuse(self, client: WebSocket, reply: Response) -> None:
        message = msgspec.json.decode(reply.body, type=ErrorBody).error.message
        reply.headers.update(self._dialect.refusal_headers(_header_text(message)))
        self._metrics.refused.labels(str(reply.status_code)).inc()
        await client.send_denial_response(reply)


def dialect_routes(
    dialects: Iterable[Dialect],
    gate: DialectGate,
    connections: ConnectionCount,
    metrics: GatewayMetrics,
    times: DialectTimes,
    stopping: asyncio.Event,
) -> list[WebSocketRoute]:
    """A route for each dialect."""
    return [
        WebSocketRoute(
            dialect.path,
            DialectEndpoint(dialect, gate, connections, metrics, times, stopping).__call__,
        )
        for dialect in dialects
    ]


def read_handshake(scope: Scope) -> Handshake:
    """The request of a client, from its ASGI scope.

    Raises:
        InvalidParameter: the query can't be read.
    """
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Handshake(
        tuple(read_pairs(scope["query_string"])), headers, tuple(scope.get("subprotocols") or ())
    )


def _header_list(opening: Opening) -> list[tuple[bytes, bytes]]:
    headers: Mapping[str, str] = dict(opening.headers)
    if opening.ignored:
        headers = {**headers, IGNORED_HEADER: ",".join(opening.ignored)}
    return [(name.encode("ascii"), value.encode("ascii", "replace")) for name, value in headers.items()]


def _header_text(message: str) -> str:
    """A message as a header can carry it."""
    return "".join(
        char if char.isprintable() else " " for char in message.encode("ascii", "replace").decode()
    )
