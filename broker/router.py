"""The gateway's side of the registry: a session in, a place on a worker out, and back again."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from broker.errors import NoCapacity, RegistryUnavailable, SessionOver
from broker.records import Allocation, EndStatus, Worker, read_worker, utc_now
from broker.scripts import Scripts
from broker.settings import BrokerSettings


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker that was marked offline, and the sessions that it had."""

    worker_id: str
    sessions: tuple[str, ...]


class Router:
    """Places for sessions. Every call may raise `RegistryUnavailable` within about a second."""

    def __init__(self, scripts: Scripts, settings: BrokerSettings) -> None:
        self._scripts = scripts
        self._timeout_ms = int(settings.heartbeat_timeout * 1000)
        self._ttl = settings.session_ttl
        self._retry_after = settings.retry_after

    @classmethod
    def connect(cls, settings: BrokerSettings) -> "Router":
        """A router at the Redis of the settings; nothing is sent before the first call.

        Raises:
            StartupError: the setting is not a Redis URL.
        """
        return cls(Scripts(settings.redis), settings)

    @property
    def available(self) -> bool:
        """Whether Redis answered the last call."""
        return self._scripts.available

    async def allocate(
        self, session_id: str, model: str, language: str, avoid: Collection[str] = ()
    ) -> Allocation:
        """A place on the least loaded live worker that has `model` for `language`.

        `model` is a variant or a concrete name. Asking again for the same session gives the same place,
        unless it is on a worker in `avoid`: then the session moves.

        Raises:
            NoCapacity: no worker has a free place; the session holds none.
            SessionOver: the session has been released.
            RegistryUnavailable: not known whether the session holds a place; release it.
        """
        answer = await self._scripts.run(
            "allocate",
            session_id,
            model,
            language,
            json.dumps(list(avoid)),
            self._timeout_ms,
            utc_now(),
        )
        match answer:
            case ["placed", str(worker_id), str(endpoint), str(name)]:
                return Allocation(worker_id, endpoint, name)
            case ["over"]:
                raise SessionOver(f"session {session_id} is over")
            case ["none", int(live), int(fitting)]:
                raise NoCapacity(_why_none(model, language, live, fitting), self._retry_after)
        raise RegistryUnavailable(f"an answer that is none of ours: {answer!r:.80}")

    async def release(self, session_id: str, status: EndStatus, audio_duration: float) -> bool:
        """Give the session's place back, `audio_duration` in seconds; whether it held one."""
        return bool(
            await self._scripts.run(
                "release", session_id, status, f"{audio_duration:.3f}", utc_now(), self._ttl
            )
        )

    async def sweep(self) -> list[Lost]:
        """Mark the workers that stopped beating offline and free their sessions; which they are."""
        lost = await self._scripts.run("sweep", self._timeout_ms, utc_now(), self._ttl)
        return [Lost(worker_id, tuple(sessions)) for worker_id, *sessions in lost]

    async def workers(self) -> list[Worker]:
        """All workers that the registry knows, by id; entries that are not ours are left out."""
        entries = await self._scripts.run("workers", self._timeout_ms)
        read = [
            read_worker(worker_id, _pairs(rest), int(active), bool(fresh))
            for worker_id, fresh, active, *rest in entries
        ]
        return sorted((w for w in read if w is not None), key=lambda w: w.worker_id)

    async def sessions(self) -> dict[str, dict[str, str]]:
        """The hash of every session that holds a place, by session id."""
        entries = await self._scripts.run("sessions")
        return {session_id: _pairs(rest) for session_id, *rest in entries}

    async def close(self) -> None:
        """Close the connections."""
        await self._scripts.close()


def _pairs(flat: list[Any]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _why_none(model: str, language: str, live: int, fitting: int) -> str:
    if not live:
        return "no worker is there"
    if not fitting:
        return f"no worker has the model {model} loaded for the language {language}"
    return "all places are taken"
