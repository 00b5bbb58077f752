"""Converts workers and sessions to and from the fields of their hashes in Redis."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import msgspec

from dalston_realtime.protocol.events import Count
from dalston_realtime.protocol.models import ModelInfo
from dalston_realtime.protocol.parameters import Overflow

Status = Literal["ready", "busy", "draining", "offline"]
EndStatus = Literal["ended", "error"]

WORKER_ID: Final = r"^[!-9;-~]{1,200}$"
"""The pattern of a worker's id: printable ASCII without a colon, which divides the names of keys in Redis."""

WORKER_FIELDS: Final = (
    "models",
    "heartbeat_ms",
    "status",
    "endpoint",
    "capacity",
    "lag",
    "last_heartbeat",
    "version",
    "gpu_memory_used",
    "gpu_memory_total",
    "pass_age",
    "devices",
)
"""The fields of a worker's hash that `read_worker` takes; the first two are what workers.lua looks at."""

SMALLER_VARIANT: Final = {"accurate": "fast"}
"""The variant that replaces another one when all of its slots are taken and the session accepts less."""


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What a worker reports in a heartbeat.

    `endpoint` is a URL such as `ws://host:9000`, `capacity` a number of sessions, `lag` the largest lag of
    its sessions in seconds, `sessions` the ids of those that it serves, `pass_age` the age in seconds of its
    oldest forward pass in progress. `degraded_capacity` is the number of sessions where clients accept
    degraded ones; it may exceed the capacity. `devices` has the UUID of each ASR process's GPU, or `cpu`. A
    worker without a GPU leaves the memory out.
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
    pass_age: float = 0.0
    devices: tuple[str, ...] = ()

    def fields(self) -> dict[str, str]:
        """The hash fields that come from the worker alone."""
        known = {
            "endpoint": self.endpoint,
            "capacity": str(self.capacity),
            "degraded_capacity": str(max(self.capacity, self.degraded_capacity)),
            "models_loaded": json.dumps([model.name for model in self.models]),
            "models": json.dumps([asdict(model) for model in self.models]),
            "lag": f"{self.lag:.3f}",
            "devices": json.dumps(self.devices),
            "pass_age": f"{self.pass_age:.3f}",
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
    pass_age: float = 0.0
    devices: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether its heartbeat is fresh; it may be draining."""
        return self.status != "offline"

    @property
    def free(self) -> int:
        """The number of slots that new sessions could get."""
        return max(0, self.capacity - self.active_sessions) if self.status == "ready" else 0


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """The slot that a session asks for.

    `model` is a variant or a concrete name. A model that has more of the `features` is preferred.
    `overflow` says what to do when all slots are taken; `first` puts it at the head of the queue.
    """

    model: str = "fast"
    language: str = "auto"
    features: tuple[str, ...] = ()
    overflow: Overflow = "reject"
    first: bool = False


@dataclass(frozen=True, slots=True)
class Allocation:
    """A slot: `model` is the concrete model's name on worker `worker_id`, `variant` its variant.

    `degraded` is whether the session gets less than it asked for.
    """

    worker_id: str
    endpoint: str
    model: str
    variant: str = ""
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A waiting session: its position from 1, and the seconds until its turn if they are known.

    `is_served` says whether a live worker has the model at all, `has_slot` whether a slot is free that the
    session would get if it asked again.
    """

    position: int
    expected_wait: float | None
    is_served: bool = True
    has_slot: bool = False


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A running session and its slot, as its gateway knows them; `age` in seconds."""

    session_id: str
    request: SlotRequest
    allocation: Allocation
    started_at: str
    age: float


def utc_now() -> str:
    """The time of now as the registry writes times: ISO 8601 in UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_COUNTS: Final[msgspec.json.Decoder[int]] = msgspec.json.Decoder(Count)
_SECONDS: Final[msgspec.json.Decoder[float]] = msgspec.json.Decoder(float)
_MODELS: Final[msgspec.json.Decoder[tuple[ModelInfo, ...]]] = msgspec.json.Decoder(tuple[ModelInfo, ...])
_DEVICES: Final[msgspec.json.Decoder[tuple[str, ...]]] = msgspec.json.Decoder(tuple[str, ...])


def read_worker(worker_id: str, fields: Mapping[str, str], active: int, fresh: bool) -> WorkerInfo | None:
    """A worker from the fields of its hash; None where these are not a worker of ours."""
    try:
        status: Any = fields["status"]
        if status not in get_args(Status):
            return None
        return WorkerInfo(
            worker_id=worker_id,
            endpoint=fields["endpoint"],
            status=status if fresh else "offline",
            capacity=_COUNTS.decode(fields["capacity"]),
            active_sessions=active,
            models=_read_models(fields["models"]),
            lag=_SECONDS.decode(fields["lag"]),
            last_heartbeat=fields["last_heartbeat"],
            heartbeat_ms=_COUNTS.decode(fields["heartbeat_ms"]),
            version=fields.get("version", ""),
            gpu_memory_used=fields.get("gpu_memory_used"),
            gpu_memory_total=fields.get("gpu_memory_total"),
            devices=_DEVICES.decode(fields.get("devices", "[]")),
            pass_age=_SECONDS.decode(fields.get("pass_age", "0")),
        )
    except (KeyError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


@lru_cache(maxsize=256)
def _read_models(text: str) -> tuple[ModelInfo, ...]:
    """The models in a field; the many workers of a fleet have few different ones."""
    return _MODELS.decode(text)
