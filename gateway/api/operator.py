"""Tells operators, event by event, how all workers and this gateway are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httpx
import msgspec
from starlette.responses import Response

from broker.errors import RegistryUnavailable
from broker.records import WorkerInfo
from gateway.api.event_stream import MEDIA_TYPE, EventStream
from gateway.api.operation import ApiError, operation
from gateway.api.rest_bodies import StatusBody, WorkerBody, describe_status, describe_worker
from gateway.api.worker_figures import FiguresBody, read_figures
from gateway.auth.principal import Principal
from gateway.capacity.directory import WorkerDirectory, WorkerSnapshot
from gateway.metrics import GatewayMetrics
from gateway.workers.reachability import WorkerReachability

EVENTS: Final = "/v1/realtime/operator/events"
FIGURES_S: Final = 1.0  # Seconds for a worker to say its figures: one that hangs holds no event up.
EVENT_S: Final = 2.0  # Seconds between two events: a person sees no more.
SEND_S: Final = 10.0  # Seconds for a browser to take an event.
MAX_LISTENERS: Final = 20  # Streams at once: each costs an event every two seconds.
MAX_FIGURES: Final = 1 << 20  # Bytes of a worker's metrics; they have some twenty thousand.
MAX_SESSIONS: Final = 200  # Sessions of an event, those that are furthest behind first.
_REFUSED: Final = "dalston_gateway_refused_total"
_ENDED: Final = "dalston_gateway_sessions_total"


class RunningSession(msgspec.Struct, frozen=True):
    """A session of this gateway: its worker, seconds of audio that came, and how late its results are."""

    session_id: str
    worker_id: str
    audio_seconds: float
    lag: float


class RunningSessions(Protocol):
    """What knows the sessions of this gateway."""

    def running(self) -> Sequence[tuple[str, str, float, float]]:
        """Of each session its id, its worker, seconds of audio that came, and seconds of lag."""


class GatewayFigures(msgspec.Struct, frozen=True):
    """Of this gateway since its start: connections now, who waits, refusals by status, ends by reason."""

    connections: float
    queued: float
    refused: dict[str, float]
    ended: dict[str, float]


class OperatorEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How everything is now; `figures` are those of workers by their ids.

    `problem` says why the workers are not known.
    """

    status: StatusBody
    workers: list[WorkerBody] = []
    figures: dict[str, FiguresBody] = {}
    gateway: GatewayFigures
    sessions: list[RunningSession] = []
    problem: str | None = None


Fetch = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class StreamEnds:
    """What ends a stream: `stopping` is set, or who listens `holds` no more, by the id of the principal."""

    stopping: asyncio.Event
    holds: Callable[[str], bool]


async def fetch_figures(endpoint: str) -> str:
    """The metrics of a worker.

    Raises:
        httpx.HTTPError, ValueError: there are none.
    """
    parts = urlsplit(endpoint)
    scheme = "https" if parts.scheme == "wss" else "http"
    url = parts._replace(scheme=scheme, path="/metrics").geturl()
    async with (
        httpx.AsyncClient(timeout=FIGURES_S, trust_env=False) as client,
        client.stream("GET", url) as answer,
    ):
        answer.raise_for_status()
        content = b""
        async for part in answer.aiter_bytes():
            content += part
            if len(content) > MAX_FIGURES:
                raise ValueError("the metrics are too long")
    return content.decode()


class OperatorApi:
    """The stream of events for operators; all of its listeners get the same."""

    def __init__(
        self,
        directory: WorkerDirectory,
        reachability: WorkerReachability,
        metrics: GatewayMetrics,
        sessions: RunningSessions,
        ends: StreamEnds,
        fetch: Fetch = fetch_figures,
    ) -> None:
        """`fetch` gets the metrics of a worker's endpoint."""
        self._directory, self._reachability, self._metrics = directory, reachability, metrics
        self._sessions, self._ends, self._fetch = sessions, ends, fetch
        self._listeners = 0
        self._looking: asyncio.Task[OperatorEvent] | None = None

    @operation("GET", EVENTS, scope="admin", media=MEDIA_TYPE, errors={503: "too many listen"})
    async def operator_events(self, principal: Principal) -> Response:
        """How everything is, every two seconds, as events of a stream; it ends with the key."""
        if self._listeners >= MAX_LISTENERS:
            raise ApiError(503, "too_many_listeners", f"{MAX_LISTENERS} pages listen already")
        return EventStream(self._events(principal.id), SEND_S)

    async def _events(self, principal_id: str) -> AsyncIterator[OperatorEvent]:
        stopping = self._ends.stopping
        self._listeners += 1
        try:
            while not stopping.is_set() and self._ends.holds(principal_id):
                yield await self._look()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), EVENT_S)
        finally:
            self._listeners -= 1

    async def _look(self) -> OperatorEvent:
        """How it is; who asks while somebody else looks gets the same."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self.describe())
        return await asyncio.shield(self._looking)

    async def describe(self) -> OperatorEvent:
        """How everything is now."""
        problem = None
        try:
            snapshot = await self._directory.get()
        except RegistryUnavailable as error:
            snapshot, problem = WorkerSnapshot(()), str(error)
        problems = await self._reachability.check(snapshot.alive)
        figures = await asyncio.gather(*(self._figures_of(worker) for worker in snapshot.alive))
        return OperatorEvent(
            status=describe_status(snapshot),
            workers=[describe_worker(each, problems.get(each.worker_id)) for each in snapshot.workers],
            figures={worker_id: found for worker_id, found in figures if found is not None},
            gateway=self._gateway_figures(),
            sessions=self._running(),
            problem=problem,
        )

    async def _figures_of(self, worker: WorkerInfo) -> tuple[str, FiguresBody | None]:
        try:
            async with asyncio.timeout(FIGURES_S):
                return worker.worker_id, read_figures(await self._fetch(worker.endpoint))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            return worker.worker_id, None

    def _gateway_figures(self) -> GatewayFigures:
        found = self._metrics.samples()
        return GatewayFigures(
            connections=sum(found.get("dalston_gateway_connections", {}).values()),
            queued=sum(found.get("dalston_gateway_queued", {}).values()),
            refused=found.get(_REFUSED, {}),
            ended=found.get(_ENDED, {}),
        )

    def _running(self) -> list[RunningSession]:
        furthest = sorted(self._sessions.running(), key=_lag, reverse=True)
        return [RunningSession(*each) for each in furthest[:MAX_SESSIONS]]


def _lag(session: Sequence[Any]) -> float:
    return float(session[3])
