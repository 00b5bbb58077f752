"""Loads the engines that the settings name, and builds the ASR stage with them."""

import time

import msgspec

from engines.catalog import EngineLimits, default, describe, load
from runtime.logs import get_logger
from stages.asr.settings import AsrSettings
from stages.asr.stage import AsrStage
from stages.endpoint_rules import samples
from stages.metrics import StageMetrics

log = get_logger(__name__)


def load_stage(settings: AsrSettings, metrics: StageMetrics) -> tuple[AsrStage, str]:
    """The stage with its engines loaded, and its models as the receiver registers them: JSON.

    Raises:
        StartupError: an engine's library or its checkpoint is not there.
    """
    limits = EngineLimits(
        settings.asr_threads, settings.most_sessions_per_gpu, settings.chunk_ms, settings.data_dir
    )
    engines = load(settings.models or default(), limits)
    stage = AsrStage(
        engines,
        settings.max_batch or settings.sessions_per_gpu,
        samples(settings.partial_interval_ms),
        time.monotonic_ns,
        metrics,
    )
    for info in describe(engines):
        log.info("serves", variant=info.variant, model=info.name, engine=info.engine)
    return stage, msgspec.json.encode(describe(engines)).decode()
