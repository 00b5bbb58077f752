"""Answers REST requests: what the registry says of workers and models, and whether this gateway can serve."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from broker.errors import NothingToDrain, RegistryUnavailable
from broker.router import SessionRouter
from dalston_realtime.protocol.parameters import parse_query
from gateway.api.operation import ApiError, operation
from gateway.api.rest_bodies import (
    DrainBody,
    HealthBody,
    ModelsBody,
    StatusBody,
    WorkersBody,
    describe_models,
    describe_status,
    describe_workers,
)
from gateway.capacity.directory import WorkerDirectory, WorkerSnapshot
from gateway.http import STREAM_PATH, error_reply, unavailable_reply
from gateway.metrics import GatewayMetrics
from gateway.workers.reachability import Readiness, ServiceState, WorkerReachability

DRAIN_S: Final = 300.0  # Seconds for a draining worker's sessions where the caller does not say.
MAX_DRAIN_S: Final = 86_400  # Seconds: a day.
WORKER: Final = "/v1/realtime/workers/{worker_id:path}"
AWAY: Final = "Redis is away"


class DrainParams(msgspec.Struct, frozen=True):
    """How long the sessions of a draining worker may stay."""

    seconds: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            le=MAX_DRAIN_S,
            description="seconds after which the sessions of the worker move to others",
            extra={"must_be": f"a number from 0 to {MAX_DRAIN_S}"},
        ),
    ] = DRAIN_S


MAX_PROBLEMS: Final = 5  # Workers whose problems /readyz tells; more are mostly the same one.


class RestApi:
    """The endpoints of one gateway."""

    def __init__(
        self,
        router: SessionRouter,
        directory: WorkerDirectory,
        reachability: WorkerReachability,
        metrics: GatewayMetrics,
        stopping: asyncio.Event,
        retry_after: float,
    ) -> None:
        """`stopping` is set when the gateway goes away; `retry_after` holds while Redis can't say."""
        self._router, self._directory, self._metrics = router, directory, metrics
        self._reachability, self._readiness = reachability, Readiness(directory, reachability)
        self._stopping, self._default_retry_after = stopping, retry_after

    @operation(
        "GET",
        STREAM_PATH,
        scope="transcribe",
        statuses={101: "The WebSocket of a live session is open."},
        errors={400: "a parameter has a bad value", 426: "this is a WebSocket endpoint"},
    )
    async def stream(self, request: Request) -> Response:
        """Live transcription over a WebSocket, which docs/protocol.md describes; plain HTTP is refused.

        A browser is not told why its WebSocket was refused, and asks here: a bad parameter is named.
        """
        config = parse_query(request.query_params)
        with suppress(RegistryUnavailable):
            (await self._directory.get()).check(config.model, config.language)
        reply = error_reply(426, "upgrade_required", "this is a WebSocket endpoint")
        reply.headers["Upgrade"] = "websocket"
        return reply

    @operation("GET", "/healthz", scope=None)
    async def healthz(self) -> HealthBody:
        """Whether this process is alive."""
        return HealthBody(status="alive")

    @operation(
        "GET",
        "/readyz",
        scope=None,
        errors={503: "no worker can be reached, Redis is away, or the gateway goes away"},
    )
    async def readyz(self) -> HealthBody | Response:
        """Whether clients should be sent here.

        A gateway all of whose slots are taken says so, and gets clients all the same: those that come back
        for a session need no slot, and those that wait for one can't wait anywhere else.
        """
        if self._stopping.is_set():
            raise ApiError(503, "restarting", "the gateway is going away")
        state = await self._readiness.assess()
        if state.status == "no_worker":
            return unavailable_reply("no_worker", "no worker is there", self._default_retry_after)
        if state.status == "workers_unreachable":
            why = "; ".join(state.problems[:MAX_PROBLEMS])
            return unavailable_reply("workers_unreachable", why, self._default_retry_after)
        return await self._describe_service(state)

    async def _describe_service(self, state: ServiceState) -> HealthBody:
        """What /readyz answers where clients can be served."""
        is_full = state.status == "at_capacity"
        return HealthBody(
            status="at_capacity" if is_full else "ready",
            message="all slots are taken" if is_full else None,
            retry_after=await self._retry_after() if is_full else None,
            problems=state.problems[:MAX_PROBLEMS],
        )

    async def _retry_after(self) -> float:
        try:
            return await self._router.retry_after()
        except RegistryUnavailable:
            return self._default_retry_after

    @operation("GET", "/v1/models", scope="transcribe", errors={503: AWAY})
    async def models(self) -> ModelsBody:
        """Variants and concrete models, and on how many workers each is loaded."""
        return describe_models(await self._directory.get())

    @operation("GET", "/v1/realtime/workers", scope="admin", errors={503: AWAY})
    async def workers(self) -> WorkersBody:
        """All workers that the registry knows, those that went offline lately included."""
        snapshot = await self._directory.get()
        return describe_workers(snapshot, await self._reachability.check(snapshot.alive))

    @operation(
        "POST",
        WORKER + "/drain",
        scope="admin",
        audited="drain",
        errors={404: "there is no such worker", 409: "the worker is offline", 503: AWAY},
    )
    async def drain(self, worker_id: str, query: DrainParams) -> DrainBody:
        """Give the worker no new session, and move its sessions to others after some seconds."""
        return await self._drain(worker_id, query.seconds)

    @operation(
        "DELETE",
        WORKER + "/drain",
        scope="admin",
        audited="undrain",
        errors={404: "there is no such worker", 409: "the worker is offline", 503: AWAY},
    )
    async def undrain(self, worker_id: str) -> DrainBody:
        """Take a drain back."""
        return await self._drain(worker_id, None)

    async def _drain(self, worker_id: str, seconds: float | None) -> DrainBody:
        try:
            known = await self._router.drain(worker_id, seconds)
        except NothingToDrain as error:
            raise ApiError(409, "worker_offline", str(error)) from None
        if not known:
            raise ApiError(404, "unknown_worker", f"no worker {worker_id[:80]!r} is registered")
        return DrainBody(worker_id, seconds is not None)

    @operation("GET", "/v1/realtime/status", scope="transcribe")
    async def status(self) -> StatusBody:
        """The totals of all workers; a registry that is away is the status `unavailable`."""
        try:
            snapshot = await self._directory.get()
        except RegistryUnavailable:
            snapshot = WorkerSnapshot(())
        return describe_status(snapshot)

    @operation("GET", "/metrics", scope="admin", media="text/plain")
    async def metrics(self) -> Response:
        """The metrics of this process in the Prometheus text format, with the slots as of the last second."""
        with suppress(RegistryUnavailable):
            self._count_slots(await self._directory.get())
        return Response(self._metrics.scrape(), media_type=self._metrics.content_type)

    def _count_slots(self, snapshot: WorkerSnapshot) -> None:
        """Show the workers and their slots; a worker's slots count for each variant that it serves."""
        self._metrics.workers.clear()
        for status, workers in Counter(worker.status for worker in snapshot.workers).items():
            self._metrics.workers.labels(status).set(workers)
        self._metrics.slots.clear()
        for worker in snapshot.alive:
            for variant in {model.variant for model in worker.models}:
                self._metrics.slots.labels(variant, "used").inc(worker.active_sessions)
                self._metrics.slots.labels(variant, "free").inc(worker.free)
