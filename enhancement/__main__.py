"""Runs `python -m enhancement`, the enhancer: it hands out the jobs that wait, and runs some of them.

Any number may run, on as many machines as wanted, with the same database, recordings and Redis.
"""

import os
import sys
import time
from typing import Final

from runtime.errors import StartupError
from runtime.logs import configure_logging, get_logger
from runtime.process import Stop, run_main
from runtime.settings import read_settings

log = get_logger(__name__)

NICENESS: Final = 10  # What live sessions need of the CPU comes first.
POLL_S: Final = 0.1  # Seconds by which the signal may be noticed late.


def main(job_module: str = "enhancement.job_process") -> None:
    """Run until the signal; `job_module` runs a job in a process of its own."""
    stop = Stop()
    os.nice(NICENESS)  # Before the imports, which cost as much as a second of speech.
    from enhancement.enhancer import Enhancer
    from enhancement.settings import EnhancerSettings

    settings = read_settings(EnhancerSettings)
    configure_logging("enhancer", settings.log_level, settings.log_format)
    enhancer = Enhancer(settings, job_module)
    enhancer.open_database(stop)
    if not stop.requested:
        enhancer.start()
        log.info("ready", jobs=settings.enhancer_jobs, threads=settings.enhancer_threads)
    while not stop.requested:
        if not enhancer.is_running:
            raise StartupError("Celery's worker ended by itself")
        time.sleep(POLL_S)
    enhancer.close()
    sys.stdout.flush()
    os._exit(0)  # Threads of Celery may still wait for the broker.


if __name__ == "__main__":
    run_main("enhancer", main)
