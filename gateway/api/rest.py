"""Answers REST requests: what the registry says of workers and models, and whether this gateway can serve."""

import asyncio
from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from broker.errors import NothingToDrain, RegistryUnavailable
from broker.records import WorkerInfo
from broker.router import SessionRouter
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.models import VARIANTS, ModelInfo
from gateway.capacity.directory import WorkerDirectory, WorkerSnapshot
from gateway.http import Reply, error_reply, unavailable_reply
from gateway.metrics import GatewayMetrics
from gateway.workers.reachability import Readiness, ServiceState, WorkerReachability

DRAIN_S: Final = 300.0  # Seconds for a draining worker's sessions where the caller does not say.
MAX_DRAIN_S: Final = 86_400  # Seconds: a day.
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

    async def healthz(self, _request: Request) -> Reply:
        """This process is alive."""
        return Reply({"status": "alive"})

    async def readyz(self, _request: Request) -> Reply:
        """Whether clients should be sent here: 200, else 503 with the reason.

        A gateway all of whose slots are taken says so, and gets clients all the same: those that come back
        for a session need no slot, and those that wait for one can't wait anywhere else.
        """
        if self._stopping.is_set():
            return error_reply(503, "restarting", "the gateway is going away")
        try:
            state = await self._readiness.assess()
        except RegistryUnavailable as error:
            return error_reply(503, "registry_unavailable", str(error))
        if state.status == "no_worker":
            return unavailable_reply("no_worker", "no worker is there", self._default_retry_after)
        if state.status == "workers_unreachable":
            why = "; ".join(state.problems[:MAX_PROBLEMS])
            return unavailable_reply("workers_unreachable", why, self._default_retry_after)
        return Reply(await self._describe_service(state))

    async def _describe_service(self, state: ServiceState) -> dict[str, Any]:
        """What /readyz answers where clients can be served."""
        body: dict[str, Any] = {"status": state.status}
        if state.status == "at_capacity":
            body |= {"message": "all slots are taken", "retry_after": await self._retry_after()}
        return body | ({"problems": state.problems[:MAX_PROBLEMS]} if state.problems else {})

    async def _retry_after(self) -> float:
        try:
            return await self._router.retry_after()
        except RegistryUnavailable:
            return self._default_retry_after

    async def models(self, _request: Request) -> Reply:
        """Variants and concrete models, and on how many workers each is loaded."""
        try:
            return Reply(describe_models(await self._directory.get()))
        except RegistryUnavailable as error:
            return error_reply(503, "registry_unavailable", str(error))

    async def workers(self, _request: Request) -> Reply:
        """All workers that the registry knows, those that went offline lately included."""
        try:
            snapshot = await self._directory.get()
        except RegistryUnavailable as error:
            return error_reply(503, "registry_unavailable", str(error))
        problems = await self._reachability.check(snapshot.alive)
        workers = [describe_worker(worker, problems.get(worker.worker_id)) for worker in snapshot.workers]
        return Reply({"workers": workers, "total": len(workers)})

    async def drain(self, request: Request) -> Reply:
        """POST: the worker gets no new session, and after `seconds` its sessions move. DELETE undoes it."""
        worker_id, text = request.path_params["worker_id"], request.query_params.get("seconds")
        undo = request.method == "DELETE"
        try:
            seconds = None if undo else read_seconds(text)
            known = await self._router.drain(worker_id, seconds)
        except InvalidParameter as error:
            return error_reply(400, "invalid_parameter", error.message, param=error.param)
        except NothingToDrain as error:
            return error_reply(409, "worker_offline", str(error))
        except RegistryUnavailable as error:
            return error_reply(503, "registry_unavailable", str(error))
        if not known:
            return error_reply(404, "unknown_worker", f"no worker {worker_id[:80]!r} is registered")
        return Reply({"worker_id": worker_id, "draining": not undo})

    async def status(self, _request: Request) -> Reply:
        """The totals; a registry that is away is the status `unavailable`."""
        try:
            snapshot = await self._directory.get()
        except RegistryUnavailable:
            snapshot = WorkerSnapshot(())
        return Reply(describe_status(snapshot))

    async def metrics(self, _request: Request) -> Response:
        """The metrics of this process in the Prometheus text format."""
        return Response(self._metrics.scrape(), media_type=self._metrics.content_type)

    async def upgrade_required(self, _request: Request) -> Reply:
        """Plain HTTP on the path of the WebSocket."""
        reply = error_reply(426, "upgrade_required", "this is a WebSocket endpoint")
        reply.headers["Upgrade"] = "websocket"
        return reply


def read_seconds(text: str | None) -> float:
    """The seconds that the sessions of a draining worker have.

    Raises:
        InvalidParameter: it is not a number from 0 to a day.
    """
    try:
        seconds = DRAIN_S if text is None else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_DRAIN_S:
        raise InvalidParameter("seconds", f"seconds must be a number from 0 to {MAX_DRAIN_S}")
    return seconds


def describe_models(snapshot: WorkerSnapshot) -> dict[str, Any]:
    """The body of `/v1/models`."""
    models = [describe_model(model, workers) for model, workers in snapshot.models()]
    variants = {
        variant: [model["name"] for model in models if model["variant"] == variant]
        for variant in (*VARIANTS, *sorted({m["variant"] for m in models} - set(VARIANTS)))
    }
    return {"variants": variants, "models": models}


def describe_model(model: ModelInfo, workers: int) -> dict[str, Any]:
    """One model, and on how many live workers it is loaded."""
    streaming = model.features.get("streaming", False)
    return asdict(model) | {"streaming": streaming, "workers": workers}


def describe_worker(worker: WorkerInfo, problem: str | None = None) -> dict[str, Any]:
    """One worker, with its models by name, and why it can't be used; what is not known is left out."""
    fields = asdict(worker) | {"models": [*dict.fromkeys(model.name for model in worker.models)]}
    del fields["heartbeat_ms"]
    fields["problem"] = problem
    return {name: value for name, value in fields.items() if value not in (None, "", ())}


def describe_status(snapshot: WorkerSnapshot) -> dict[str, Any]:
    """The body of `/v1/realtime/status`."""
    return {
        "status": snapshot.status,
        "total_capacity": snapshot.capacity,
        "active_sessions": snapshot.active,
        "available_capacity": snapshot.free,
        "worker_count": len(snapshot.alive),
        "ready_workers": sum(worker.status == "ready" for worker in snapshot.alive),
    }
