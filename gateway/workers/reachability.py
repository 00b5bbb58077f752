"""Knows which workers this gateway can't use, and why: it tries those that somebody asks about."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from broker.records import WorkerInfo
from gateway.capacity.directory import WorkerDirectory
from gateway.workers.connection import UNAUTHORIZED, ConnectOptions, describe_failure, describe_refusal
from runtime.worker_link import PATH

RECHECK_S: Final = 10.0  # Seconds until a worker that was reached is tried again.
RETRY_S: Final = 2.0  # Seconds until one that was not is.
ANSWER_S: Final = 0.3  # Seconds for which a request waits for a worker that was never tried.

Try = Callable[[WorkerInfo], Awaitable[str | None]]


async def try_worker(worker: WorkerInfo, options: ConnectOptions) -> str | None:
    """Ask a worker as for a session, without wanting one; why that would fail, None where it would not."""
    try:
        async with asyncio.timeout(options.connect_timeout):
            status = await _http_status(worker.endpoint, options)
    except (OSError, ValueError) as error:
        return describe_failure(worker.worker_id, worker.endpoint, error)
    return describe_refusal(worker.worker_id, status) if status == UNAUTHORIZED else None


async def _http_status(endpoint: str, options: ConnectOptions) -> int:
    """The answer to a request on the path of sessions that is no WebSocket's, 0 where it is not HTTP."""
    url = urlsplit(endpoint)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=options.tls(endpoint))
    try:
        head = f"GET {PATH} HTTP/1.1", f"Host: {url.netloc}", f"Authorization: Bearer {options.secret}"
        writer.write("\r\n".join((*head, "Connection: close", "", "")).encode())
        _, status, *_ = (await reader.readline()).split()
        return int(status)
    finally:
        writer.transport.abort()


@dataclass(slots=True)
class _Known:
    """What is known of a worker's endpoint, as of `at` seconds."""

    endpoint: str
    at: float = float("-inf")
    problem: str | None = None
    trying: "asyncio.Task[None] | None" = None


class WorkerReachability:
    """What is wrong with the ways to workers, by worker id."""

    def __init__(self, attempt: Try, clock: Callable[[], float] = time.monotonic) -> None:
        self._attempt, self._clock = attempt, clock
        self._known: dict[str, _Known] = {}

    @property
    def problems(self) -> dict[str, str]:
        """Those that can't be used, and why, as far as is known."""
        return {name: known.problem for name, known in self._known.items() if known.problem}

    async def check(self, workers: Collection[WorkerInfo]) -> dict[str, str]:
        """Why those of these workers can't be used that can't; new ones are waited for, but not for long."""
        names = {worker.worker_id for worker in workers}
        self._known = {name: known for name, known in self._known.items() if name in names}
        first = [task for worker in workers if (task := self._try_if_due(worker))]
        if first:
            await asyncio.wait(first, timeout=ANSWER_S)
        return self.problems

    def _try_if_due(self, worker: WorkerInfo) -> "asyncio.Task[None] | None":
        """Try a worker whose last try is too long ago; the task, where nothing is known of it yet."""
        known = self._known.get(worker.worker_id)
        if known is None or known.endpoint != worker.endpoint:
            known = self._known[worker.worker_id] = _Known(worker.endpoint)
        pause = RETRY_S if known.problem else RECHECK_S
        if known.trying is None and self._clock() - known.at >= pause:
            known.trying = asyncio.create_task(self._try(worker, known))
        return known.trying if known.at == float("-inf") else None

    async def _try(self, worker: WorkerInfo, known: _Known) -> None:
        try:
            known.problem = await self._attempt(worker)
            known.at = self._clock()
        finally:
            known.trying = None


@dataclass(frozen=True, slots=True)
class ServiceState:
    """Whether a gateway can serve.

    `status` is `ready`, `at_capacity` (sessions that run go on, and may be resumed), `no_worker`, or
    `workers_unreachable`; `problems` says what is wrong with workers.
    """

    status: str
    problems: tuple[str, ...] = ()


class Readiness:
    """Assesses whether new sessions can be served."""

    def __init__(self, directory: WorkerDirectory, reachability: WorkerReachability) -> None:
        self._directory, self._reachability = directory, reachability

    async def assess(self) -> ServiceState:
        """The state of now.

        Raises:
            RegistryUnavailable: Redis did not answer, as of the last second.
        """
        alive = (await self._directory.get_beating()).alive
        found = await self._reachability.check(alive)
        problems = tuple(found[name] for name in sorted(found))
        usable = [worker for worker in alive if worker.worker_id not in found]
        if not alive:
            return ServiceState("no_worker")
        if not usable:
            return ServiceState("workers_unreachable", problems)
        return ServiceState("ready" if any(w.free for w in usable) else "at_capacity", problems)
