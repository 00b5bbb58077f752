"""Registers a worker in Redis and renews its record with heartbeats."""

import json
import re
import uuid
from dataclasses import dataclass, field
from importlib import metadata
from typing import Final

from broker.errors import WorkerIdTaken
from broker.records import WORKER_ID, WorkerRecord, utc_now
from broker.store.scripts import LEASE_MS, Scripts

SESSION_TTL_S: Final = 3600
"""Seconds for which the records of sessions that a worker left behind stay in Redis, to be looked at."""


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """The registry's answer to a heartbeat.

    `left` counts the sessions that an earlier process of this worker left behind; they are freed. `drain` is
    set when the worker shall get no new sessions: the seconds until its sessions are to be moved, and
    `has_room` then says whether the other workers have slots for all of them. `time` is Redis's, in seconds
    since 1970; None where nobody asked. `shared` has the GPUs that other live workers use too, by worker.
    """

    left: int
    drain: float | None
    has_room: bool = True
    time: float | None = field(default=None, compare=False)
    shared: tuple[tuple[str, str], ...] = ()


class Registry:
    """The entry of one worker process. Every call may raise `RegistryUnavailable` within about a second."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        # Distinguishes this process from an earlier one of the same worker, whose sessions were lost with it.
        self._incarnation = uuid.uuid4().hex
        self._version = _version()
        self._registered = False

    @classmethod
    def connect(cls, url: str) -> "Registry":
        """A registry at a Redis URL; nothing is sent before the first call.

        Raises:
            StartupError: `url` is not a Redis URL.
        """
        return cls(Scripts(url))

    async def heartbeat(self, record: WorkerRecord) -> HeartbeatReply:
        """Register the worker, or show that it is alive; to be called every second.

        Raises:
            WorkerIdTaken: another worker that lives has the id; it keeps it, and its sessions.
            ValueError: the id is none.
        """
        if not re.fullmatch(WORKER_ID, record.worker_id):
            raise ValueError(f"{record.worker_id!r} can't be the id of a worker")
        pairs = [item for pair in (record.fields() | self._version).items() for item in pair]
        status, *answer = await self._scripts.run(
            "heartbeat",
            record.worker_id,
            self._incarnation,
            int(self._registered),
            record.endpoint,
            int(record.draining),
            json.dumps(record.sessions),
            utc_now(),
            SESSION_TTL_S,
            LEASE_MS,
            json.dumps(record.devices),
            *pairs,
        )
        if status == "taken":
            raise WorkerIdTaken(
                f"another worker with the id {record.worker_id} is registered, at {answer[0]}:"
                " set another DALSTON_WORKER_ID for one of them"
            )
        self._registered = True
        left, drain, has_room, time_ms, *shared = answer
        return HeartbeatReply(
            int(left),
            None if drain < 0 else float(drain),
            bool(has_room),
            time_ms / 1000,
            tuple(zip(shared[::2], shared[1::2], strict=True)),
        )

    async def offline(self, worker_id: str) -> bool:
        """Mark the worker offline until its next heartbeat; whether it was not offline before."""
        return bool(
            await self._scripts.run("offline", worker_id, self._incarnation, utc_now(), SESSION_TTL_S)
        )

    async def deregister(self, worker_id: str) -> None:
        """Remove the worker and free its sessions, unless a newer process has taken its name."""
        await self._scripts.run("deregister", worker_id, self._incarnation, utc_now(), SESSION_TTL_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._scripts.close()


def _version() -> dict[str, str]:
    try:
        return {"version": metadata.version("dalston-realtime")}
    except metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return {}
