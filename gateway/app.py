"""Puts a gateway together: makes each part, hands it what it needs, and routes each path to its part."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute

from broker.checkpoints import Checkpoints
from broker.errors import RegistryUnavailable
from broker.router import SessionRouter
from broker.token_uses import TokenUses
from broker.usage import UsageCounters
from gateway.api.errors import http_error, unknown_socket
from gateway.api.keys import KeyApi
from gateway.api.openapi import ApiDescription
from gateway.api.operation import routes_of
from gateway.api.operator import OperatorApi, StreamEnds
from gateway.api.rest import RestApi
from gateway.api.tokens import TokenApi
from gateway.api.vendor_tokens import VendorTokenApi
from gateway.auth.access import check_start, make_guard, run_access
from gateway.auth.key_directory import POLL_S, KeyDirectory
from gateway.auth.request_guard import RequestGuard
from gateway.auth.tokens import TokenMint
from gateway.auth.usage_limits import LimitPolicy, UsageLimits
from gateway.capacity.announcements import WorkerLost, listen
from gateway.capacity.directory import WorkerDirectory
from gateway.capacity.slots import QueueLimits, SlotManager
from gateway.capacity.waiting_memory import WaitingLimits, WaitingMemory
from gateway.http import STREAM_PATH
from gateway.keeping import KeptData
from gateway.metrics import GatewayMetrics
from gateway.model_names import ModelNames
from gateway.pages.page_routes import page_routes
from gateway.realtime.admission import Admission
from gateway.realtime.connection_count import ConnectionCount
from gateway.realtime.dialect_connection import DialectTimes
from gateway.realtime.dialect_endpoint import DialectGate, FullPolicy, dialect_routes
from gateway.realtime.dialects.openai_session import describe_session
from gateway.realtime.dialects.registered import DIALECTS
from gateway.realtime.endpoint import EndpointLimits, StreamEndpoint
from gateway.realtime.listener import ListenerParts, ListenerTimes
from gateway.realtime.listeners import make_listeners
from gateway.realtime.resumption import SessionFinder
from gateway.sessions.checkpoint_store import MARGIN_S, CheckpointStore, Owner
from gateway.sessions.session import SessionPolicy
from gateway.sessions.session_manager import SessionManager
from gateway.settings import GatewaySettings
from gateway.workers.assignment import ReassignLimits, WorkerAccess
from gateway.workers.connection import ConnectOptions, WorkerConnection
from gateway.workers.liveness import LivenessLimits
from gateway.workers.reachability import Readiness, WorkerReachability, try_worker
from runtime.extras import require_extra
from runtime.logs import get_logger
from runtime.secret import internal_secret

if TYPE_CHECKING:
    from gateway.traces import SessionTraces  # Only with the extra `traces`.

log = get_logger(__name__)


class GatewayApp:
    """A gateway that other gateways reach at `address`; `asgi` is its application."""

    def __init__(self, settings: GatewaySettings, address: str = "") -> None:
        self._settings, self._redis = settings, settings.redis
        self._router = SessionRouter.connect(settings)
        metrics = GatewayMetrics()
        metrics.redis_available.set_function(lambda: float(self._router.available))
        self._slots = SlotManager(
            self._router, metrics, settings.overflow, QueueLimits(settings.queue_timeout)
        )
        self._worker_lost = WorkerLost()
        self._directory = WorkerDirectory(self._router, time.monotonic)
        self._connect = ConnectOptions(
            settings.worker_connect_timeout,
            settings.worker_send_timeout,
            internal_secret(settings),
            settings.tls_ca,
        )
        self._reachability = WorkerReachability(partial(try_worker, options=self._connect))
        self._readiness = Readiness(self._directory, self._reachability)
        self._connections = ConnectionCount(settings.max_connections, metrics)
        ttl = int(settings.resume_window) + MARGIN_S
        checkpoints = Checkpoints(self._router.scripts, settings.redis, ttl)
        self._checkpoints = CheckpointStore(checkpoints, Owner.new(address))
        self._kept = KeptData(settings, self._checkpoints)
        self._traces = make_traces(settings)
        keys = KeyDirectory(self._kept.keys, time.monotonic)
        self._counters = UsageCounters(self._router.scripts)
        self._usage = UsageLimits(self._counters, keys, LimitPolicy.of(settings), metrics)
        self._sessions = self._make_sessions(settings, metrics)
        self._admission = Admission(self._directory, settings.overflow_allowed, store=settings.store == "on")
        self._mint = TokenMint(self._connect.secret, keys, TokenUses(self._router.scripts))
        self._guard = make_guard(settings, keys, self._mint, self._usage)
        self._endpoint = self._make_endpoint(settings, metrics)
        self._stopping = asyncio.Event()
        gate = self._make_gate(settings, metrics)
        times = ListenerTimes(settings.handshake_timeout, settings.flush_timeout, settings.client_timeout)
        parts = ListenerParts(self._guard, gate, self._directory, self._connections, metrics, times)
        self._listeners = make_listeners(settings, parts)
        sockets = self._dialect_sockets(settings, metrics, gate)
        apis = self._make_apis(settings, metrics)
        self.asgi = make_routes(self._guard, self._endpoint, *apis, sockets=sockets)

    def _make_apis(self, settings: GatewaySettings, metrics: GatewayMetrics) -> list[object]:
        """The endpoints beside the streams."""
        ends = StreamEnds(self._stopping, self._guard.authenticator.holds)
        return [
            RestApi(
                self._router,
                self._directory,
                self._reachability,
                metrics,
                self._stopping,
                settings.retry_after,
            ),
            OperatorApi(self._directory, self._reachability, metrics, self._sessions, ends),
            *self._kept.apis(),
            KeyApi(self._kept.keys, self._guard, self._counters),
            TokenApi(self._mint),
            VendorTokenApi(self._mint, describe_session),
        ]

    def _make_sessions(self, settings: GatewaySettings, metrics: GatewayMetrics) -> SessionManager:
        access = WorkerAccess(
            self._slots,
            self._worker_lost,
            partial(WorkerConnection.open, options=self._connect),
            metrics,
            LivenessLimits(first_word=settings.worker_connect_timeout),
            ReassignLimits(window=settings.resume_window),
            unreachable=lambda: self._reachability.problems,
            traces=self._traces,
            waiting=WaitingMemory(
                WaitingLimits(round(settings.waiting_session_mb * 2**20), round(settings.waiting_mb * 2**20))
            ),
        )
        limits = SessionPolicy(settings.resume_window, settings.retry_after)
        return SessionManager(
            access,
            self._checkpoints,
            limits,
            recordings=self._kept.recordings,
            history=self._kept.history,
            usage=self._usage,
        )

    def _make_endpoint(self, settings: GatewaySettings, metrics: GatewayMetrics) -> StreamEndpoint:
        return StreamEndpoint(
            self._guard,
            self._sessions,
            self._admission,
            SessionFinder(
                self._sessions,
                self._checkpoints,
                self._connect.secret,
                settings.retry_after,
                settings.tls_ca,
            ),
            self._connections,
            metrics,
            EndpointLimits(settings.flush_timeout, settings.retry_after),
        )

    def _make_gate(self, settings: GatewaySettings, metrics: GatewayMetrics) -> DialectGate:
        return DialectGate(
            self._guard,
            self._sessions,
            self._admission,
            self._directory,
            ModelNames(settings.model_aliases),
            metrics,
            FullPolicy(settings.overflow, settings.retry_after),
        )

    def _dialect_sockets(
        self, settings: GatewaySettings, metrics: GatewayMetrics, gate: DialectGate
    ) -> list[WebSocketRoute]:
        """The paths of the clients of other services."""
        times = DialectTimes(flush=settings.flush_timeout)
        return dialect_routes(DIALECTS, gate, self._connections, metrics, times, self._stopping)

    async def open(self) -> None:
        """Open the database, which says who may be let in, and the ports beside the WebSockets'.

        Raises:
            StartupError: the server would be open to others, or a port can't be had.
        """
        self._kept.history.start()
        await check_start(self._settings, self._guard.authenticator)
        for listener in self._listeners:
            await listener.open()

    async def run(self) -> None:
        """Hold the sessions' slots, and hear what the registry announces, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(run_access(self._settings, self._guard.authenticator))
            group.create_task(self._end_withdrawn())
            group.create_task(self._sessions.run())
            group.create_task(self._kept.run())
            group.create_task(self._slots.run())
            group.create_task(self._usage.leases.run())
            group.create_task(self._checkpoints.run())
            on_slots = self._slots.queue.on_slots_changed
            group.create_task(listen(self._redis, self._router, self._worker_lost, on_slots))

    async def _end_withdrawn(self) -> None:
        """End the sessions whose key was revoked or has expired."""
        while True:
            self._sessions.end_withdrawn(self._guard.authenticator.holds)
            await asyncio.sleep(POLL_S)

    async def has_capacity(self) -> bool:
        """Whether a worker can take a session."""
        try:
            return (await self._readiness.assess()).status == "ready"
        except RegistryUnavailable:
            return False

    async def drain(self, deadline: float) -> None:
        """Admit nobody any more, and wait up to `deadline` seconds until all clients are told."""
        self._stopping.set()
        self._endpoint.stop()
        for listener in self._listeners:
            listener.stop()
        self._sessions.drain()
        try:
            async with asyncio.timeout(deadline):
                await self._connections.wait_empty()
        except TimeoutError:
            log.warning("connections that could not be closed in time: %d", self._connections.open)

    async def hand_over(self, deadline: float) -> None:
        """Wait up to `deadline` seconds until every session is over, or left to another gateway."""
        await self._sessions.wait_over(deadline)

    async def release_slots(self, deadline: float) -> None:
        """Wait up to `deadline` seconds until every slot and every lease is released."""
        await asyncio.gather(self._slots.wait_settled(deadline), self._usage.leases.wait_settled(deadline))

    async def close(self) -> None:
        """Write what recordings and the history have not got yet, and close the connections."""
        for listener in self._listeners:
            await listener.close()
        await asyncio.to_thread(self._kept.close)
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)
        await self._router.close()
        await self._checkpoints.close()


def make_traces(settings: GatewaySettings) -> "SessionTraces | None":
    """Where the traces of sessions go, if they are wanted.

    Raises:
        StartupError: the library for it is not installed.
    """
    if settings.traces_url is None:
        return None
    require_extra("traces", "DALSTON_TRACES_URL")
    from gateway.traces import SessionTraces

    return SessionTraces.at(settings.traces_url, settings.traces_share)


def make_routes(
    guard: RequestGuard, endpoint: StreamEndpoint, *apis: object, sockets: Sequence[WebSocketRoute] = ()
) -> Starlette:
    """The ASGI application with the operations of these; `sockets` are the paths beside the stream."""
    description = ApiDescription()
    described = [route for api in (*apis, description) for route in routes_of(api, guard)]
    description.routes = described
    return Starlette(
        routes=[
            WebSocketRoute(STREAM_PATH, endpoint.__call__),
            *sockets,
            WebSocketRoute("/{path:path}", unknown_socket),
            *described,
            *page_routes(),
        ],
        exception_handlers={HTTPException: http_error, 500: http_error},
    )
