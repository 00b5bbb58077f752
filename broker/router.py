"""The gateway's side of the registry: a session in, a place on a worker out, and back again."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from broker.errors import NoCapacity, RegistryUnavailable, SessionOver
from broker.records import (
    SMALLER,
    Allocation,
    EndStatus,
    HeldSlot,
    QueuePosition,
    SlotRequest,
    WorkerInfo,
    read_worker,
    utc_now,
)
from broker.settings import BrokerSettings
from broker.store.scripts import LEASE_MS, Scripts
from broker.wait_estimate import WaitEstimate

QUEUE_LEASE_MS: Final = 4_000  # of a position: who waits asks again every second
LEAST_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class LostWorker:
    """A worker that was marked offline, and the sessions that it had."""

    worker_id: str
    sessions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep found: lost workers, and sessions that no gateway holds any more."""

    lost: tuple[LostWorker, ...]
    expired: tuple[str, ...]


class SessionRouter:
    """Places for sessions. Every call may raise `RegistryUnavailable` within about a second."""

    def __init__(self, scripts: Scripts, settings: BrokerSettings) -> None:
        self._scripts = scripts
        self._timeout_ms = int(settings.heartbeat_timeout * 1000)
        self._ttl = settings.session_ttl
        self._retry_after = settings.retry_after
        self._queue_length = settings.queue_length

    @classmethod
    def connect(cls, settings: BrokerSettings) -> "SessionRouter":
        """A router at the Redis of the settings; nothing is sent before the first call.

        Raises:
            StartupError: the setting is not a Redis URL.
        """
        return cls(Scripts(settings.redis), settings)

    @property
    def scripts(self) -> Scripts:
        """The way to Redis, for what else a gateway keeps there."""
        return self._scripts

    @property
    def available(self) -> bool:
        """Whether Redis answered the last call."""
        return self._scripts.available

    async def allocate(
        self, session_id: str, wanted: SlotRequest, avoid: Collection[str] = ()
    ) -> Allocation | QueuePosition:
        """A place on the least loaded live worker that fits, under a lease of `LEASE_MS`.

        Asking again for the same session gives the same place, unless it is on a worker in `avoid`: then
        the session moves. With the overflow `queue` a session without a place waits; who waits asks again
        every second and whenever `places` is announced.

        Raises:
            NoCapacity: no worker has a free place; the session holds none.
            SessionOver: the session has been released.
            RegistryUnavailable: not known whether the session holds a place; release it.
        """
        answer = await self._scripts.run(
            "allocate",
            json.dumps(_request(session_id, wanted, avoid)),
            utc_now(),
            self._timeout_ms,
            LEASE_MS,
            self._ttl,
            QUEUE_LEASE_MS,
            self._queue_length,
        )
        match answer:
            case ["placed", str(worker_id), str(endpoint), str(name), str(variant), int(degraded)]:
                return Allocation(worker_id, endpoint, name, variant, bool(degraded))
            case ["over"]:
                raise SessionOver(f"session {session_id} is over")
            case ["queued", int(), int(), int(fitting), int(position), *numbers]:
                return QueuePosition(position, _outlook(fitting, numbers).wait(position))
            case ["none", int(live), int(fits), int(fitting), int(position), *numbers]:
                wait = _outlook(fitting, numbers).wait(position) if fits else None
                raise NoCapacity(_why_none(wanted, live, fits), self._retry(wait))
        raise RegistryUnavailable(f"an answer that is none of ours: {answer!r:.80}")

    async def leave(self, session_id: str) -> bool:
        """Give the session's position in the queue up; whether it had one."""
        return bool(await self._scripts.run("leave", session_id))

    async def release(self, session_id: str, status: EndStatus, audio_duration: float) -> bool:
        """Give the session's place back, `audio_duration` in seconds; whether it held one."""
        return bool(
            await self._scripts.run(
                "release", session_id, status, f"{audio_duration:.3f}", utc_now(), self._ttl
            )
        )

    async def renew(self, session_ids: Iterable[str], seconds: float = LEASE_MS / 1000) -> set[str]:
        """Hold the places of these sessions for `seconds` from now; those that hold none."""
        return set(await self._scripts.run("renew", int(seconds * 1000), *session_ids))

    async def restore(self, sessions: Iterable[HeldSlot]) -> int:
        """Hold the places of sessions that Redis has forgotten; how many hold one now."""
        known = [_known(held) for held in sessions]
        return int(await self._scripts.run("restore", LEASE_MS, json.dumps(known)))

    async def drain(self, worker_id: str, seconds: float | None) -> bool:
        """Have a worker get nothing new and move its sessions after `seconds`; None takes it back.

        It stays so until the worker is started again. Returns whether the worker is known.
        """
        return bool(await self._scripts.run("drain", worker_id, -1 if seconds is None else seconds))

    async def sweep(self) -> SweepResult:
        """Mark the workers that stopped beating offline, and free the sessions of whoever is gone."""
        lost, expired = await self._scripts.run("sweep", self._timeout_ms, LEASE_MS, utc_now(), self._ttl)
        return SweepResult(
            tuple(LostWorker(worker_id, tuple(sessions)) for worker_id, *sessions in lost), tuple(expired)
        )

    async def workers(self) -> list[WorkerInfo]:
        """All workers that the registry knows, by id; entries that are not ours are left out."""
        entries = await self._scripts.run("workers", self._timeout_ms)
        read = [
            read_worker(worker_id, _pairs(rest), int(active), bool(fresh))
            for worker_id, fresh, active, *rest in entries
        ]
        return sorted((w for w in read if w is not None), key=lambda w: w.worker_id)

    async def marked_offline(self) -> list[str]:
        """The workers whose loss has been announced and that have not come back."""
        entries = await self._scripts.run("workers", self._timeout_ms)
        return [worker_id for worker_id, _, _, *rest in entries if _pairs(rest).get("status") == "offline"]

    async def sessions(self) -> dict[str, dict[str, str]]:
        """The hash of every session that holds a place, by session id."""
        entries = await self._scripts.run("sessions")
        return {session_id: _pairs(rest) for session_id, *rest in entries}

    async def retry_after(self) -> float:
        """Seconds until a place may come free, for a client that is told to come back."""
        waiting, sessions, *numbers = await self._scripts.run("wait_estimate")
        return self._retry(_outlook(sessions, [sessions, *numbers]).wait(waiting + 1))

    async def close(self) -> None:
        """Close the connections."""
        await self._scripts.close()

    def _retry(self, wait: float | None) -> float:
        return self._retry_after if wait is None else max(LEAST_RETRY_S, wait)


def _request(session_id: str, wanted: SlotRequest, avoid: Collection[str]) -> dict[str, Any]:
    return {
        "session": session_id,
        "model": wanted.model,
        "language": wanted.language,
        "features": wanted.features,
        "avoid": sorted(avoid),
        "steps": _steps(wanted),
        "wait": wanted.overflow == "queue",
        "first": wanted.first,
    }


def _steps(wanted: SlotRequest) -> list[dict[str, Any]]:
    """What to try, in order; a concrete model has no smaller one that could stand in for it."""
    steps: list[dict[str, Any]] = [{"model": wanted.model}]
    if wanted.overflow == "degrade":
        models = [wanted.model]
        while models[-1] in SMALLER:
            models.append(SMALLER[models[-1]])
        steps += [{"model": model, "degraded": True} for model in models[1:]]
        steps += [{"model": model, "degraded": True, "over": True} for model in models]
    return steps


def _known(held: HeldSlot) -> dict[str, Any]:
    wanted, place = held.wanted, held.place
    fields = {
        "model": wanted.model,
        "language": wanted.language,
        "model_name": place.model,
        "variant": place.variant,
        "degraded": str(int(place.degraded)),
        "started_at": held.started_at,
        "audio_duration": "0",
        "enhance_on_end": "false",
    }
    return {
        "session": held.session_id,
        "worker": place.worker_id,
        "age": int(held.age * 1000),
        "fields": fields,
    }


def _outlook(fitting: int, numbers: list[int]) -> WaitEstimate:
    sessions, endings, within, age = numbers
    return WaitEstimate(sessions, fitting, endings, within / 1000, age / 1000)


def _pairs(flat: list[Any]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _why_none(wanted: SlotRequest, live: int, fits: int) -> str:
    if not live:
        return "no worker is there"
    if not fits:
        return f"no worker has the model {wanted.model} loaded for the language {wanted.language}"
    return "all places are taken"
