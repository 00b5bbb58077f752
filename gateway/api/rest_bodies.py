"""Defines the bodies of the answers about workers and models, and makes them from what the registry says."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from broker.records import Status, WorkerInfo
from dalston_realtime.protocol.models import VARIANTS, ModelInfo
from gateway.capacity.directory import WorkerSnapshot


class HealthBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it is.

    Where all slots are taken, `retry_after` says in how many seconds one may be free. `problems` says which
    workers can't be used, and why.
    """

    status: Literal["alive", "ready", "at_capacity"]
    message: str | None = None
    retry_after: float | None = None
    problems: tuple[str, ...] = ()


class ModelBody(msgspec.Struct, frozen=True, kw_only=True):
    """A model, and on how many live workers it is loaded."""

    variant: str
    name: str
    engine: str
    languages: tuple[str, ...]
    features: dict[str, bool]
    streaming: bool
    workers: int


class ModelsBody(msgspec.Struct, frozen=True):
    """The models that live workers have loaded, and which of them each variant stands for."""

    variants: dict[str, list[str]]
    models: list[ModelBody]


class WorkerBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A worker, with its models by name, and why it can't be used; what is not known is left out."""

    worker_id: str
    endpoint: str
    status: Status
    capacity: int
    active_sessions: int
    models: list[str] = []
    lag: float
    last_heartbeat: str
    version: str = ""
    gpu_memory_used: str | None = None
    gpu_memory_total: str | None = None
    pass_age: float
    devices: tuple[str, ...] = ()
    problem: str | None = None


class WorkersBody(msgspec.Struct, frozen=True):
    """All workers."""

    workers: list[WorkerBody]
    total: int


class DrainBody(msgspec.Struct, frozen=True):
    """A worker, and whether it drains now."""

    worker_id: str
    draining: bool


class StatusBody(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of all live workers."""

    status: Literal["ready", "at_capacity", "unavailable"]
    total_capacity: int
    active_sessions: int
    available_capacity: int
    worker_count: int
    ready_workers: int


def describe_models(snapshot: WorkerSnapshot) -> ModelsBody:
    """The models of all live workers."""
    models = [describe_model(model, workers) for model, workers in snapshot.models()]
    others = sorted({model.variant for model in models} - set(VARIANTS))
    variants = {
        variant: [model.name for model in models if model.variant == variant]
        for variant in (*VARIANTS, *others)
    }
    return ModelsBody(variants, models)


def describe_model(model: ModelInfo, workers: int) -> ModelBody:
    """One model, and on how many live workers it is loaded."""
    return ModelBody(
        variant=model.variant,
        name=model.name,
        engine=model.engine,
        languages=model.languages,
        features=dict(model.features),
        streaming=model.features.get("streaming", False),
        workers=workers,
    )


def describe_workers(snapshot: WorkerSnapshot, problems: Mapping[str, str]) -> WorkersBody:
    """All workers, and by their ids what is wrong with some of them."""
    workers = [describe_worker(worker, problems.get(worker.worker_id)) for worker in snapshot.workers]
    return WorkersBody(workers, len(workers))


def describe_worker(worker: WorkerInfo, problem: str | None = None) -> WorkerBody:
    """One worker, and why it can't be used."""
    return WorkerBody(
        worker_id=worker.worker_id,
        endpoint=worker.endpoint,
        status=worker.status,
        capacity=worker.capacity,
        active_sessions=worker.active_sessions,
        models=[*dict.fromkeys(model.name for model in worker.models)],
        lag=worker.lag,
        last_heartbeat=worker.last_heartbeat,
        version=worker.version,
        gpu_memory_used=worker.gpu_memory_used or None,
        gpu_memory_total=worker.gpu_memory_total or None,
        pass_age=worker.pass_age,
        devices=worker.devices,
        problem=problem,
    )


def describe_status(snapshot: WorkerSnapshot) -> StatusBody:
    """The totals."""
    return StatusBody(
        status=snapshot.status,
        total_capacity=snapshot.capacity,
        active_sessions=snapshot.active,
        available_capacity=snapshot.free,
        worker_count=len(snapshot.alive),
        ready_workers=sum(worker.status == "ready" for worker in snapshot.alive),
    )
