"""Allocates slots on workers to sessions, and releases them."""

import json
import re
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from broker.errors import NoCapacity, NothingToDrain, RegistryUnavailable, SessionOver
from broker.records import (
    SMALLER_VARIANT,
    WORKER_FIELDS,
    WORKER_ID,
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

QUEUE_LEASE_MS: Final = 4_000  # Milliseconds of a position in the queue: its gateway renews it every second.
SESSIONS_AT_ONCE: Final = 200  # Sessions in one call that writes them: all other calls wait for it.
LEAST_RETRY_S: Final = (
    1.0  # Seconds that a refused client waits at least, so that it does not ask all the time.
)

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class LostWorker:
    """A worker that was marked offline, and the ids of the sessions that it had."""

    worker_id: str
    sessions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep found: lost workers, and the ids of sessions whose gateway is gone."""

    lost: tuple[LostWorker, ...]
    expired: tuple[str, ...]


class SessionRouter:
    """Slots for sessions. Every call may raise `RegistryUnavailable` within about a second."""

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
        """The connection to Redis, which the gateway's checkpoints use too."""
        return self._scripts

    @property
    def available(self) -> bool:
        """Whether Redis answered the last call."""
        return self._scripts.available

    async def allocate(
        self, session_id: str, request: SlotRequest, avoid: Collection[str] = ()
    ) -> Allocation | QueuePosition:
        """A slot on the least loaded live worker that fits, under a lease of `LEASE_MS`.

        Asking again for the same session gives the same slot, unless it is on a worker in `avoid`: then
        the session moves. With the overflow `queue` a session without a slot waits: `keep_waiting` has to be
        called for it every second, and it asks again when that or `SlotsChanged` says that it has a slot.

        Raises:
            NoCapacity: no worker has a free slot; the session holds none.
            SessionOver: the session has been released.
            RegistryUnavailable: it is not known whether the session holds a slot; release it.
        """
        answer = await self._scripts.run(
            "allocate",
            json.dumps(_allocate_request(session_id, request, avoid)),
            utc_now(),
            self._timeout_ms,
            LEASE_MS,
            self._ttl,
            QUEUE_LEASE_MS,
            self._queue_length,
        )
        match answer:
            case ["allocated", str(worker_id), str(endpoint), str(name), str(variant), int(degraded)]:
                return Allocation(worker_id, endpoint, name, variant, bool(degraded))
            case ["over"]:
                raise SessionOver(f"session {session_id} is over")
            case ["queued", int(), int(fits), int(fitting), int(position), *numbers]:
                wait = _wait_estimate(fitting, numbers).wait(position)
                return QueuePosition(position, wait, is_served=fits > 0)
            case ["none", int(live), int(fits), int(fitting), int(position), *numbers]:
                wait = _wait_estimate(fitting, numbers).wait(position) if fits else None
                refusal = _refusal(request, live, fits)
                raise NoCapacity(refusal, self._retry_seconds(wait), is_served=fits > 0)
        raise RegistryUnavailable(f"an unknown answer of the script: {answer!r:.80}")

    async def keep_waiting(self, session_ids: Iterable[str]) -> dict[str, QueuePosition]:
        """Renew the positions of sessions for `QUEUE_LEASE_MS`; those that have none are left out."""
        numbers, *waiting = await self._scripts.run(
            "wait", utc_now(), self._timeout_ms, LEASE_MS, self._ttl, QUEUE_LEASE_MS, *session_ids
        )
        found = {}
        for session_id, position, fits, fitting, free in waiting:
            wait = _wait_estimate(fitting, numbers).wait(position)
            found[session_id] = QueuePosition(position, wait, is_served=fits > 0, has_slot=bool(free))
        return found

    async def leave(self, session_id: str) -> bool:
        """Remove the session from the queue; whether it was in it."""
        return bool(await self._scripts.run("leave", session_id))

    async def release(self, session_id: str, status: EndStatus, audio_duration: float) -> bool:
        """Release the session's slot, `audio_duration` in seconds; whether it held one."""
        return bool(
            await self._scripts.run(
                "release", session_id, status, f"{audio_duration:.3f}", utc_now(), self._ttl
            )
        )

    async def renew(self, session_ids: Iterable[str], seconds: float = LEASE_MS / 1000) -> set[str]:
        """Renew the leases of these sessions for `seconds` from now; the ids of those without a slot."""
        unknown = set[str]()
        for some in _parts(session_ids):
            unknown.update(await self._scripts.run("renew", int(seconds * 1000), *some))
        return unknown

    async def restore(self, sessions: Iterable[HeldSlot]) -> int:
        """Write the slots of sessions again that Redis has lost; returns how many hold one now."""
        held = 0
        for some in _parts(map(_restore_entry, sessions)):
            held += int(await self._scripts.run("restore", LEASE_MS, json.dumps(some)))
        return held

    async def drain(self, worker_id: str, seconds: float | None) -> bool:
        """Give a worker no new sessions and move its own after `seconds`; None undoes that.

        It lasts until the worker is started again. Where no other workers have room for its sessions, these
        stay until there is some. Returns whether the worker is known.

        Raises:
            NothingToDrain: it is offline.
        """
        if not re.fullmatch(WORKER_ID, worker_id):
            return False  # It could be a part of another key's name.
        answer = await self._scripts.run("drain", worker_id, -1 if seconds is None else seconds)
        if answer == -1:
            raise NothingToDrain(f"worker {worker_id} is offline")
        return bool(answer)

    async def sweep(self) -> SweepResult:
        """Mark workers without heartbeats offline; free their sessions and those of lost gateways."""
        lost, expired = list[LostWorker](), list[str]()
        cursor, more = "0", 1
        while more:
            cursor, more, gone, ended = await self._scripts.run(
                "sweep", cursor, self._timeout_ms, LEASE_MS, utc_now(), self._ttl
            )
            lost += [LostWorker(worker_id, tuple(sessions)) for worker_id, *sessions in gone]
            expired += ended
        return SweepResult(tuple(lost), tuple(expired))

    async def workers(self) -> list[WorkerInfo]:
        """All workers that the registry knows, ordered by id; entries that can't be read are left out."""
        found = {}
        async for worker_id, active, fresh, fields in self._worker_hashes(WORKER_FIELDS):
            found[worker_id] = read_worker(worker_id, fields, active, fresh)
        return [info for _, info in sorted(found.items()) if info is not None]

    async def marked_offline(self) -> list[str]:
        """The ids of the workers that are marked offline."""
        found = self._worker_hashes((*WORKER_FIELDS[:2], "status"))
        return sorted(
            {worker_id async for worker_id, _, _, fields in found if fields.get("status") == "offline"}
        )

    async def _worker_hashes(
        self, names: Sequence[str]
    ) -> AsyncIterator[tuple[str, int, bool, dict[str, str]]]:
        """The id, sessions, freshness and fields of each worker; a few may come twice."""
        cursor = ""
        while cursor != "0":
            cursor, models, workers = await self._scripts.run(
                "workers", cursor or "0", self._timeout_ms, *names
            )
            for worker_id, fresh, active, position, *values in workers:
                named = zip(names[1:], values, strict=True)
                fields = {name: value for name, value in named if value is not None}
                if position is not None:
                    fields["models"] = models[position]
                yield worker_id, active, bool(fresh), fields

    async def sessions(self) -> dict[str, dict[str, str]]:
        """The hash of every session that holds a slot, by session id."""
        entries = await self._scripts.run("sessions")
        return {session_id: _pairs(rest) for session_id, *rest in entries}

    async def retry_after(self) -> float:
        """Seconds until a slot may come free, for a client that is told to come back."""
        waiting, sessions, *numbers = await self._scripts.run("wait_estimate")
        return self._retry_seconds(_wait_estimate(sessions, [sessions, *numbers]).wait(waiting + 1))

    async def close(self) -> None:
        """Close the connections."""
        await self._scripts.close()

    def _retry_seconds(self, wait: float | None) -> float:
        return self._retry_after if wait is None else max(LEAST_RETRY_S, wait)


def _allocate_request(session_id: str, request: SlotRequest, avoid: Collection[str]) -> dict[str, Any]:
    return {
        "session": session_id,
        "model": request.model,
        "language": request.language,
        "features": request.features,
        "avoid": sorted(avoid),
        "steps": _steps(request),
        "wait": request.overflow == "queue",
        "first": request.first,
        "kind": json.dumps([asdict(request), sorted(avoid)]),
    }


def _steps(request: SlotRequest) -> list[dict[str, Any]]:
    """What to try, in order; a concrete model has no smaller one that could replace it."""
    steps: list[dict[str, Any]] = [{"model": request.model}]
    if request.overflow == "degrade":
        models = [request.model]
        while models[-1] in SMALLER_VARIANT:
            models.append(SMALLER_VARIANT[models[-1]])
        steps += [{"model": model, "degraded": True} for model in models[1:]]
        steps += [{"model": model, "degraded": True, "over": True} for model in models]
    return steps


def _restore_entry(held: HeldSlot) -> dict[str, Any]:
    request, slot = held.request, held.allocation
    fields = {
        "model": request.model,
        "language": request.language,
        "model_name": slot.model,
        "variant": slot.variant,
        "degraded": str(int(slot.degraded)),
        "started_at": held.started_at,
        "audio_duration": "0",
        "enhance_on_end": "false",
    }
    return {
        "session": held.session_id,
        "worker": slot.worker_id,
        "age": int(held.age * 1000),
        "fields": fields,
    }


def _wait_estimate(fitting: int, numbers: list[int]) -> WaitEstimate:
    sessions, endings, within, age = numbers
    return WaitEstimate(sessions, fitting, endings, within / 1000, age / 1000)


def _parts(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """The items in lists of at most `SESSIONS_AT_ONCE`."""
    rest = iter(items)
    while some := list(islice(rest, SESSIONS_AT_ONCE)):
        yield some


def _pairs(flat: list[Any]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _refusal(request: SlotRequest, live: int, fits: int) -> str:
    if not live:
        return "no worker is there"
    if not fits:
        return f"no worker has the model {request.model} loaded for the language {request.language}"
    return "all slots are taken"
