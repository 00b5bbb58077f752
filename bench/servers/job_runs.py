"""Runs jobs of the batch pipeline in processes as an enhancer starts them, and measures what they take."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from dalston_realtime.protocol.jobs import ENDED, BatchJob
from enhancement.job_processes import JOB_MODULE, THREAD_LIMITS
from runtime.local_server import ROOT, environment
from storage.database import Database
from storage.jobs.creating import new_job_id
from storage.jobs.inputs import JobInputs
from storage.jobs.store import JobStore
from storage.recordings.store import RecordingStore
from storage.recordings.wav import joined_format
from storage.tables import LOCAL

POLL_S: Final = 0.2  # Seconds between two looks at the progress of a job.


@dataclass(frozen=True, slots=True)
class JobRun:
    """What a job took: wall clock and CPU in seconds, the most memory in bytes, and what became of it.

    `longest_wait` is the longest time in seconds in which its progress, as clients read it, stood still.
    `stage_seconds` are those of the wall clock by the names of the stages.
    """

    audio_seconds: float
    seconds: float
    cpu_seconds: float
    memory: int
    longest_wait: float
    stage_seconds: Mapping[str, float]
    job: BatchJob


@dataclass(slots=True)
class ProgressClock:
    """Notes when the progress of a job moves; times are monotonic seconds."""

    moved_at: float
    longest: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    _seen: tuple[str | None, float] = (None, -1.0)

    def note(self, stage: str | None, percent: float, at: float) -> None:
        """The progress at a moment."""
        waited = at - self.moved_at
        self.longest = max(self.longest, waited)
        if (stage, percent) == self._seen:
            return
        if self._seen[0] is not None:
            self.stages[self._seen[0]] = self.stages.get(self._seen[0], 0.0) + waited
        self._seen, self.moved_at = (stage, percent), at


class JobPlace:
    """A folder with the database and the files of jobs; `settings` are those of their processes."""

    def __init__(self, folder: Path, threads: int, settings: Mapping[str, str]) -> None:
        chosen = {
            **settings,
            "data_dir": str(folder),
            "enhancer_threads": str(threads),
            "log_level": "warning",
        }
        self._environment = {**environment(ROOT, chosen), **dict.fromkeys(THREAD_LIMITS, str(threads))}
        self._database = Database(f"sqlite:///{folder / 'history.db'}")
        self._database.migrate()
        self._files = RecordingStore(str(folder))
        self._jobs = JobStore(self._database, self._files)

    def run(self, pcm: bytes, **options: Any) -> JobRun:
        """What a job takes that hears 16 kHz mono s16le."""
        job_id, form = new_job_id(), joined_format(1)
        content = form.header(len(pcm) // form.frame_bytes) + pcm
        key = JobInputs(self._files).save(job_id, BytesIO(content), ".wav")
        self._jobs.create(LOCAL, options, input_key=key, job_id=job_id)
        began = time.monotonic()
        clock = ProgressClock(began)
        command = [sys.executable, "-m", JOB_MODULE, job_id, uuid.uuid4().hex]
        process = subprocess.Popen(command, env=self._environment, stdin=subprocess.PIPE)  # noqa: S603 - our own
        while True:
            pid, _, used = os.wait4(process.pid, os.WNOHANG)
            job = self._read(job_id)
            clock.note(job.stage, job.percent, time.monotonic())
            if pid:
                break
            time.sleep(POLL_S)
        assert job.status in ENDED, f"the process of the job ended before it: {job}"
        return JobRun(
            round(len(pcm) / form.frame_bytes / form.rate, 1),
            round(time.monotonic() - began, 1),
            round(used.ru_utime + used.ru_stime, 1),
            used.ru_maxrss * 1024,
            round(clock.longest, 1),
            {name: round(seconds, 1) for name, seconds in clock.stages.items()},
            job,
        )

    def _read(self, job_id: str) -> BatchJob:
        found = self._jobs.read(LOCAL, job_id)
        assert found is not None
        return found

    def close(self) -> None:
        """Close the database."""
        self._database.close()
