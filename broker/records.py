"""What the registry keeps: workers, their models and sessions, to and from the fields of Redis hashes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from dalston_realtime.protocol.models import ModelInfo, read_model
from dalston_realtime.protocol.parameters import Overflow

Status = Literal["ready", "busy", "draining", "offline"]
EndStatus = Literal["ended", "error"]

SMALLER: Final = {"accurate": "fast"}
"""The variant that stands in for another one where there is no room."""


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What a worker says of itself in a heartbeat.

    `endpoint` is a URL such as `ws://host:9000`, `capacity` a number of sessions, `lag` the seconds by
    which its session that is furthest behind is behind, `sessions` the ids of those that it serves. Where
    clients accept less, `degraded_capacity` may go beyond the capacity. A worker without a GPU leaves the
    memory out.
    """

    worker_id: str
    endpoint: str
    capacity: int
    models: tuple[ModelInfo, ...]
    lag: float = 0.0
    draining: bool = False
    gpu_memory_used: str | None = None
    gpu_memory_total: str | None = None
    degraded_capacity: int = 0
    sessions: tuple[str, ...] = ()

    def fields(self) -> dict[str, str]:
        """The hash fields that the worker alone decides."""
        known = {
            "endpoint": self.endpoint,
            "capacity": str(self.capacity),
            "degraded_capacity": str(max(self.capacity, self.degraded_capacity)),
            "models_loaded": json.dumps([model.name for model in self.models]),
            "models": json.dumps([asdict(model) for model in self.models]),
            "lag": f"{self.lag:.3f}",
            "last_heartbeat": utc_now(),
        }
        if self.gpu_memory_used is not None:
            known["gpu_memory_used"] = self.gpu_memory_used
        if self.gpu_memory_total is not None:
            known["gpu_memory_total"] = self.gpu_memory_total
        return known


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as the registry knows it.

    `status` is `offline` as soon as the heartbeat is too old; `heartbeat_ms` is on Redis's clock.
    """

    worker_id: str
    endpoint: str
    status: Status
    capacity: int
    active_sessions: int
    models: tuple[ModelInfo, ...]
    lag: float
    last_heartbeat: str
    heartbeat_ms: int
    version: str
    gpu_memory_used: str | None
    gpu_memory_total: str | None

    @property
    def alive(self) -> bool:
        """Whether it beats, draining or not."""
        return self.status != "offline"

    @property
    def free(self) -> int:
        """The places that a new session could get."""
        return max(0, self.capacity - self.active_sessions) if self.status == "ready" else 0


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """The place that a session asks for.

    `model` is a variant or a concrete name. A model that has more of the `features` is preferred.
    `overflow` says what to do where all places are taken; `first` lets it wait ahead of newcomers.
    """

    model: str = "fast"
    language: str = "auto"
    features: tuple[str, ...] = ()
    overflow: Overflow = "reject"
    first: bool = False


@dataclass(frozen=True, slots=True)
class Allocation:
    """A place: `model` is the concrete model's name on worker `worker_id`, `variant` its variant.

    `degraded` is whether the session gets less than it asked for.
    """

    worker_id: str
    endpoint: str
    model: str
    variant: str = ""
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A session that waits: its position from 1, and the seconds until its turn where they are known."""

    position: int
    expected_wait: float | None


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A running session and its place, as its gateway knows them; `age` in seconds."""

    session_id: str
    wanted: SlotRequest
    place: Allocation
    started_at: str
    age: float


def utc_now() -> str:
    """Now, as the registry writes times: ISO 8601 in UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_worker(worker_id: str, fields: Mapping[str, str], active: int, fresh: bool) -> WorkerInfo | None:
    """A worker from its hash, or None where the hash is not one of ours."""
    try:
        status: Any = fields["status"]
        if status not in get_args(Status):
            return None
        return WorkerInfo(
            worker_id=worker_id,
            endpoint=fields["endpoint"],
            status=status if fresh else "offline",
            capacity=int(fields["capacity"]),
            active_sessions=active,
            models=tuple(read_model(model) for model in json.loads(fields["models"])),
            lag=float(fields["lag"]),
            last_heartbeat=fields["last_heartbeat"],
            heartbeat_ms=int(fields["heartbeat_ms"]),
            version=fields.get("version", ""),
            gpu_memory_used=fields.get("gpu_memory_used"),
            gpu_memory_total=fields.get("gpu_memory_total"),
        )
    except (KeyError, ValueError, TypeError):
        return None
