"""Reads from the metrics of a worker what operators see: messages, times of stages and finals, batches."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from prometheus_client.parser import text_string_to_metric_families

QUEUE: Final = "dalston_stage_queue_messages"
SECONDS: Final = "dalston_stage_seconds"
FINALS: Final = "dalston_final_seconds"
BATCH: Final = "dalston_asr_batch_size"


class MeasuredBody(msgspec.Struct):
    """What was counted since the worker started: how often, the sum, and how often up to each bound."""

    count: float = 0.0
    sum: float = 0.0
    buckets: dict[str, float] = {}


class FiguresBody(msgspec.Struct):
    """The figures of a worker: messages and seconds by stage, seconds of finals, sessions in a pass."""

    queues: dict[str, MeasuredBody] = {}
    seconds: dict[str, MeasuredBody] = {}
    finals: MeasuredBody = msgspec.field(default_factory=MeasuredBody)
    batches: MeasuredBody = msgspec.field(default_factory=MeasuredBody)


def read_figures(text: str) -> FiguresBody:
    """The figures in metrics of the Prometheus text format.

    Raises:
        ValueError: it is none.
    """
    figures = FiguresBody()
    for family in text_string_to_metric_families(text):
        if family.name == QUEUE:
            _add_all(family.samples, figures.queues)
        elif family.name == SECONDS:
            _add_all(family.samples, figures.seconds)
        elif family.name in (BATCH, FINALS):
            measured = figures.batches if family.name == BATCH else figures.finals
            for sample in family.samples:
                _add(measured, sample.name, sample.labels, sample.value)
    return figures


def _add_all(samples: Iterable[Any], by_stage: dict[str, MeasuredBody]) -> None:
    for sample in samples:
        measured = by_stage.setdefault(sample.labels.get("stage", ""), MeasuredBody())
        _add(measured, sample.name, sample.labels, sample.value)


def _add(measured: MeasuredBody, name: str, labels: Mapping[str, str], value: float) -> None:
    if name.endswith("_sum"):
        measured.sum += value
    elif name.endswith("_count"):
        measured.count += value
    elif name.endswith("_bucket"):
        bound = labels["le"]
        measured.buckets[bound] = measured.buckets.get(bound, 0.0) + value
