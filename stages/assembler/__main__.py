"""Runs `python -m stages.assembler`: one process of the stage."""

import time

from runtime.logs import configure_logging
from runtime.process import Stop, run_main
from runtime.settings import read_settings
from stages.assembler.stage import AssemblerStage
from stages.process import StageProcess
from stages.settings import WorkerSettings


def main() -> None:
    """Run the stage as a process."""
    stop = Stop()
    settings = read_settings(WorkerSettings)
    configure_logging("assembler", settings.log_level, settings.log_format)
    StageProcess("assembler", settings, stop).run(AssemblerStage(time.monotonic_ns))


if __name__ == "__main__":
    run_main("assembler", main)
