"""Runs `python -m stages.vad`: one process of the stage."""

import time

from threadpoolctl import threadpool_limits

from engines.silero import SileroVad
from runtime.logs import configure_logging
from runtime.process import Stop, run_main
from runtime.settings import read_settings
from stages.endpoint_rules import EndpointRules, samples
from stages.process import StageProcess
from stages.vad.settings import VadSettings
from stages.vad.stage import VadStage


def main() -> None:
    """Run the stage as a process."""
    stop = Stop()
    settings = read_settings(VadSettings)
    configure_logging("vad", settings.log_level, settings.log_format)
    threadpool_limits(1, "blas")  # Silero's matrices are too small for a second thread to be of use
    process = StageProcess("vad", settings, stop)
    rules = EndpointRules(max_utterance=samples(settings.max_utterance * 1000))
    process.run(VadStage(SileroVad(), rules, time.monotonic_ns, process.metrics))


if __name__ == "__main__":
    run_main("vad", main)
