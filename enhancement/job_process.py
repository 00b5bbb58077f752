"""Runs the stages of one job, in a process of its own that holds models only while it lives.

`python -m enhancement.job_process JOB OWNER` ends when the job does, when another enhancer has it, or when
its standard input ends, which the enhancer holds. Its main thread renews the lease while another thread
works, so it can leave at any moment, also in the middle of a model's forward pass.
"""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from enhancement.job_loop import JobLoop, Stages
from enhancement.job_stages import StageRunner
from enhancement.settings import EnhancerSettings
from runtime.logs import configure_logging
from runtime.process import Stop, run_main
from runtime.settings import read_settings
from storage.database import Database
from storage.jobs.leases import JobLeases
from storage.recordings.store import RecordingStore


def main(prepare: Callable[[Stages, Path], Stages] = lambda stages, _data: stages) -> None:
    """Run the job that the command line names; `prepare` may put something round its stages."""
    job_id, owner = sys.argv[1:]
    stop = Stop()
    settings = read_settings(EnhancerSettings)
    configure_logging("enhancer", settings.log_level, settings.log_format)
    _stop_with_parent(stop)
    database = Database(settings.database)
    runner = StageRunner(settings, database, RecordingStore(settings.recordings))
    stages = prepare(runner, settings.data_dir)
    JobLoop(JobLeases(database), stages, owner, lambda: stop.requested).run(job_id)
    # A stage that was given up may still run in its thread, which nothing can end.
    sys.stdout.flush()
    os._exit(0)


def _stop_with_parent(stop: Stop) -> None:
    """Stop when the standard input ends: the enhancer is gone, or wants it."""

    def watch() -> None:
        sys.stdin.buffer.read()
        stop.requested = True

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    run_main("enhancer", main)
