"""Loads the engines that the settings name, and builds the ASR stage with them."""

import os
import time

import msgspec

from engines.base import DeviceLost
from engines.catalog import EngineLimits, default, describe, load
from engines.devices import CPU, use_device, visible_gpus
from runtime.errors import StartupError
from runtime.gpu import count_gpus
from runtime.logs import get_logger
from stages.asr.pass_guard import PassGuard
from stages.asr.settings import AsrSettings
from stages.asr.stage import AsrStage
from stages.endpoint_rules import samples
from stages.metrics import StageMetrics

log = get_logger(__name__)


def load_stage(
    settings: AsrSettings, metrics: StageMetrics, guard: PassGuard | None = None, index: int = 0
) -> tuple[AsrStage, str]:
    """The stage of ASR process `index` with its engines loaded, and its models as JSON for the registry.

    Raises:
        StartupError: an engine's library, its checkpoint or its device is not there, or it can't transcribe.
    """
    wanted = settings.devices or ()
    has_gpu = wanted != (CPU,) and bool(visible_gpus(os.environ, count_gpus()))
    models = settings.models or default(gpu=has_gpu)
    device = use_device(index, wanted, models)
    limits = EngineLimits(
        settings.asr_threads, settings.most_sessions_per_gpu, settings.chunk_ms, settings.data_dir, device
    )
    engines = load(models, limits)
    stage = AsrStage(
        engines,
        settings.max_batch or settings.sessions_per_gpu,
        samples(settings.partial_interval_ms),
        time.monotonic_ns,
        metrics,
        guard,
    )
    try:
        stage.check_devices()
    except DeviceLost as error:
        raise StartupError(f"silence can't be transcribed: {error}") from error
    for info in describe(engines):
        log.info("serves", variant=info.variant, model=info.name, engine=info.engine)
    return stage, msgspec.json.encode(describe(engines)).decode()
