"""Runs `python -m stages.asr`: one process of the stage."""

from dataclasses import replace

from runtime.gpu import Gpu, GpuMemory
from runtime.logs import configure_logging
from runtime.process import Stop, run_main
from runtime.settings import read_settings
from stages.asr.loading import load_stage
from stages.asr.settings import AsrSettings
from stages.messages import Alive
from stages.process import StageProcess


def main() -> None:
    """Run the stage as a process."""
    stop = Stop()
    settings = read_settings(AsrSettings)
    configure_logging("asr", settings.log_level, settings.log_format)
    process = StageProcess("asr", settings, stop)
    stage, models = load_stage(settings, process.metrics)
    gpu = Gpu()

    def complete(alive: Alive) -> Alive:
        memory = gpu.memory() or GpuMemory(0, 0)
        return replace(alive, models=models, gpu_used=memory.used, gpu_total=memory.total)

    process.run(stage, complete)


if __name__ == "__main__":
    run_main("asr", main)
