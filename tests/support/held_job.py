"""Runs a job like `enhancement.job_process`, but waits in each stage while the test holds it.

A stage is held while the file `hold-STAGE` is in the data folder; that it got there is said by `at-STAGE`.
"""

import time
from collections.abc import Callable
from pathlib import Path

from enhancement.job_loop import Stages
from enhancement.job_process import main
from enhancement.stage_work import Skipped, StageResult
from runtime.process import run_main
from storage.jobs.leases import JobLeases, StageLease

POLL_S = 0.02


class HeldStages:
    """The stages, each after the test lets it go."""

    def __init__(self, stages: Stages, folder: Path) -> None:
        self._stages, self._folder = stages, folder

    def run(self, lease: StageLease, report: Callable[[float], None]) -> StageResult | Skipped:
        """Run a stage, then wait while it is held: its output is not written yet."""
        result = self._stages.run(lease, report)
        (self._folder / f"at-{lease.stage}").touch()
        while (self._folder / f"hold-{lease.stage}").exists():
            report(50.0)
            time.sleep(POLL_S)
        return result

    def save(self, lease: StageLease, result: StageResult) -> str:
        """Keep the output."""
        return self._stages.save(lease, result)

    def complete(self, leases: JobLeases, lease: StageLease, key: str, result: StageResult) -> bool:
        """End the job."""
        return self._stages.complete(leases, lease, key, result)


if __name__ == "__main__":
    run_main("enhancer", lambda: main(HeldStages))
