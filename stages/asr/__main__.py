"""Runs `python -m stages.asr`: one process of the stage."""

import logging
import os
from dataclasses import replace

from runtime.gpu import Gpu, GpuMemory
from runtime.logs import configure_logging, get_logger
from runtime.process import FAULT, Stop, run_main
from runtime.settings import read_settings
from stages.asr.loading import load_stage
from stages.asr.pass_guard import PassGuard, RunningPass
from stages.asr.settings import AsrSettings
from stages.messages import Alive
from stages.process import StageProcess

log = get_logger(__name__)


def main() -> None:
    """Run the stage as a process."""
    stop = Stop()
    settings = read_settings(AsrSettings)
    configure_logging("asr", settings.log_level, settings.log_format)
    process = StageProcess("asr", settings, stop)
    guard = PassGuard(_end_hung)
    stage, models = load_stage(settings, process.metrics, guard, process.index)
    guard.start()
    gpu = Gpu()

    def complete(alive: Alive) -> Alive:
        memory = gpu.memory() or GpuMemory(0, 0)
        return replace(
            alive,
            models=models,
            device=gpu.uuid() or "cpu",
            pass_ms=round(1_000 * guard.age),
            gpu_used=memory.used,
            gpu_total=memory.total,
        )

    process.run(stage, complete)


def _end_hung(running: RunningPass) -> None:
    """End the process, in the guard's thread: its sessions move, and its supervisor starts it again."""
    log.error("a forward pass hangs: this process ends", seconds=round(running.age, 1))
    logging.shutdown()
    os._exit(FAULT)  # A thread that hangs in a driver can't be told to.


if __name__ == "__main__":
    run_main("asr", main)
