"""Puts a gateway together: makes each part, hands it what it needs, and routes each path to its part."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import MsgspecError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute

from broker.checkpoint_record import HEADER
from broker.checkpoints import Checkpoints
from broker.errors import RegistryUnavailable
from broker.router import SessionRouter
from broker.token_uses import TokenUses
from broker.usage import UsageCounters
from dalston_realtime.protocol.events import BadEvent
from gateway.api.errors import http_error, unknown_socket
from gateway.api.file_jobs import FileJobs
from gateway.api.history import HistoryApi
from gateway.api.jobs import JobApi
from gateway.api.keys import KeyApi
from gateway.api.openapi import ApiDescription
from gateway.api.operation import routes_of
from gateway.api.operator import OperatorApi, StreamEnds
from gateway.api.rest import RestApi
from gateway.api.session_views import SessionViewApi
from gateway.api.speakers import SpeakerApi
from gateway.api.tokens import TokenApi
from gateway.api.transcriptions import TranscriptionApi
from gateway.api.vendor_files import VendorFileApi
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
from gateway.sessions.history_entry import finals_of
from gateway.sessions.history_upkeep import SWEEP_S, HistoryUpkeep
from gateway.sessions.recording_upkeep import RecordingUpkeep
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
from storage.api_keys.key_store import KeyStore
from storage.database import Database
from storage.history.reading.history_reader import HistoryReader
from storage.history.upkeep.editing import SessionEditor
from storage.history.upkeep.record_sweeper import RecordSweeper, SweepTimes
from storage.history.upkeep.retention import SessionRemover
from storage.history.upkeep.session_files import RecordedFiles
from storage.history.writing.session_history import SessionHistory
from storage.jobs.speakers import SpeakerStore
from storage.jobs.store import JobStore
from storage.recordings.joining import JoinedRecording
from storage.recordings.presence import RecordingTimes
from storage.recordings.service import RecordingService
from storage.tables import RECORDING

if TYPE_CHECKING:
    from gateway.traces import SessionTraces  # Only with the extra `traces`.

log = get_logger(__name__)

RECORDINGS_S: Final = 0.3  # Seconds for the last writes after the signal; what is not joined then is later.
HISTORY_S: Final = 0.4  # Seconds at the end for what the database has not got yet.


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
        self._database = Database(settings.database)
        self._history = SessionHistory(self._database, str(self._checkpoints.owner))
        lost = max(SweepTimes().lost, settings.resume_window + MARGIN_S, settings.gateway_timeout)
        self._recordings = self._make_recordings(settings, lost)
        self._files = RecordedFiles(self._recordings.recordings)
        self._remover = SessionRemover(self._database, self._files)
        sweeper = RecordSweeper(self._database, time.monotonic, SweepTimes(settings.gateway_timeout, lost))
        sweep_s = min(SWEEP_S, settings.gateway_timeout / 2)
        self._upkeep = HistoryUpkeep(sweeper, self._remover, settings.retention_days, self._rescue, sweep_s)
        self._recording_upkeep = RecordingUpkeep(self._recordings, self._may_go_on)
        self._traces = make_traces(settings)
        keys = KeyDirectory(KeyStore(self._database), time.monotonic)
        self._counters = UsageCounters(self._router.scripts)
        self._usage = UsageLimits(self._counters, keys, LimitPolicy.of(settings), metrics)
        self._sessions = self._make_sessions(settings, metrics)
        self._admission = Admission(self._directory, settings.overflow_allowed, store=settings.store == "on")
        self._mint = TokenMint(self._connect.secret, keys, TokenUses(self._router.scripts))
        self._guard = make_guard(settings, keys, self._mint, self._usage)
        self._endpoint = self._make_endpoint(settings, metrics)
        self._stopping = asyncio.Event()
        rest = RestApi(
            self._router, self._directory, self._reachability, metrics, self._stopping, settings.retry_after
        )
        gate = self._make_gate(settings, metrics)
        times = ListenerTimes(settings.handshake_timeout, settings.flush_timeout, settings.client_timeout)
        parts = ListenerParts(self._guard, gate, self._directory, self._connections, metrics, times)
        self._listeners = make_listeners(settings, parts)
        ends = StreamEnds(self._stopping, self._guard.authenticator.holds)
        operator = OperatorApi(self._directory, self._reachability, metrics, self._sessions, ends)
        sockets = self._dialect_sockets(settings, metrics, gate)
        self.asgi = make_routes(
            self._guard, self._endpoint, rest, operator, *self._kept_apis(settings), sockets=sockets
        )

    def _kept_apis(self, settings: GatewaySettings) -> list[object]:
        """The endpoints of what is kept: sessions, jobs, files and voices."""
        store = self._recordings.recordings.store
        reader, editor = HistoryReader(self._database), SessionEditor(self._database)
        jobs = JobStore(self._database, store)
        max_bytes = settings.max_upload_mb << 20
        files = FileJobs(jobs, store, settings.transcription_timeout)
        return [
            SessionViewApi(reader, self._files, jobs),  # Its paths are below those of a session.
            HistoryApi(self._history, reader, editor, self._remover, self._files),
            JobApi(jobs, reader),
            TranscriptionApi(files, max_bytes),
            VendorFileApi(files, max_bytes),
            SpeakerApi(SpeakerStore(self._database)),
            KeyApi(KeyStore(self._database), self._guard, self._counters),
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
            recordings=self._recordings,
            history=self._history,
            usage=self._usage,
        )

    def _make_recordings(self, settings: GatewaySettings, lost: float) -> RecordingService:
        times = RecordingTimes(settings.gateway_timeout, lost)
        return RecordingService(settings.data_dir, settings.recordings_url, self._add_recording, times=times)

    def _add_recording(self, session_id: str, joined: JoinedRecording) -> None:
        """Note in the record of a session that its recording is complete, and what it lacks."""
        about = {"seconds": joined.seconds, "missing": [list(each) for each in joined.missing]}
        self._history.add_artifact(session_id, RECORDING, about)

    async def _rescue(self, session_id: str) -> None:
        """Keep what Redis still has of a session whose gateway is silent."""
        with suppress(RegistryUnavailable, BadEvent, MsgspecError, UnicodeError):
            if found := await self._checkpoints.load(session_id):
                self._history.add_found(session_id, finals_of(found[0]))

    async def _may_go_on(self, session_id: str) -> bool:
        """Whether a gateway can still go on with a session; while Redis is away, it may be so."""
        try:
            found = await self._checkpoints.load(session_id)
        except RegistryUnavailable:
            return True
        return found is not None and HEADER in found[0]

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
        self._history.start()
        await check_start(self._settings, self._guard.authenticator)
        for listener in self._listeners:
            await listener.open()

    async def run(self) -> None:
        """Hold the sessions' slots, and hear what the registry announces, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(run_access(self._settings, self._guard.authenticator))
            group.create_task(self._end_withdrawn())
            group.create_task(self._sessions.run())
            group.create_task(self._upkeep.run())
            group.create_task(self._recording_upkeep.run())
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
        await asyncio.to_thread(self._recordings.close, RECORDINGS_S)
        await asyncio.to_thread(self._history.close, HISTORY_S)
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
