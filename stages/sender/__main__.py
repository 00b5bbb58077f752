"""Runs `python -m stages.sender`: one process of the stage."""

import time

from runtime.logs import configure_logging
from runtime.process import Stop, run_main
from runtime.settings import read_settings
from stages.process import StageProcess
from stages.sender.stage import SenderStage
from stages.settings import WorkerSettings


def main() -> None:
    """Run the stage as a process."""
    stop = Stop()
    settings = read_settings(WorkerSettings)
    configure_logging("sender", settings.log_level, settings.log_format)
    process = StageProcess("sender", settings, stop)
    process.run(SenderStage(time.monotonic_ns, process.metrics))


if __name__ == "__main__":
    run_main("sender", main)
