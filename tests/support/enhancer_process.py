"""Runs real enhancers as processes, and gives them jobs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil

from dalston_realtime.protocol.jobs import ENDED, BatchJob, EnhancedTranscript
from storage.database import Database
from storage.jobs.creating import new_job_id
from storage.jobs.files import create_file
from storage.jobs.inputs import JobInputs
from storage.jobs.store import JobStore
from storage.recordings.store import RecordingStore
from storage.recordings.wav import WavFormat
from storage.tables import LOCAL
from tests.support.gateway_process import process
from tests.support.managed_process import ManagedProcess
from tests.support.recordings import recording_path

MODEL = "instant:any"  # Words without a model, which takes seconds to load.
DONE_S = 60.0  # Seconds; a process of a job starts in one or two, on a busy machine in ten.
HELD = "tests.support.held_enhancer"


class EnhancerPlace:
    """The database, the files and the Redis of enhancers."""

    def __init__(self, redis_url: str, folder: Path, database_url: str | None = None) -> None:
        self.redis_url, self.folder, self._database_url = redis_url, folder, database_url
        if database_url is None:
            self.database = Database(f"sqlite:///{folder / 'history.db'}")
        else:
            self.database = Database(database_url.replace("postgresql", "postgresql+psycopg", 1))
        self.database.migrate()
        self.files = RecordingStore(str(folder))
        self.jobs = JobStore(self.database, self.files)

    def settings(self, **more: str) -> dict[str, str]:
        """The settings of its processes."""
        found = {"redis_url": self.redis_url, "data_dir": str(self.folder), "enhancer_model": MODEL}
        if self._database_url is not None:
            found["database_url"] = self._database_url
        return found | more

    @contextmanager
    def enhancer(self, module: str = "enhancement", **settings: str) -> Iterator[ManagedProcess]:
        """An enhancer that is ready, for the duration of a block."""
        with process(module, **self.settings(**settings)) as started:
            started.line("ready", deadline_s=DONE_S)
            yield started

    def upload(self, path: Path | None = None, **options: Any) -> str:
        """A job of a file, by default one in which somebody speaks for some seconds."""
        path, job_id = path or recording_path("beckett.wav"), new_job_id()
        with path.open("rb") as file:
            key = JobInputs(self.files).save(job_id, file, path.suffix)
        return self.jobs.create(LOCAL, options, input_key=key, job_id=job_id)

    def keep_audio(self, session_id: str, pcm: bytes, channels: int = 1) -> None:
        """A session's recording, as its gateway joined it."""
        form = WavFormat("pcm_s16le", 16_000, channels)
        with create_file(self.files, f"sessions/{session_id}/audio.wav") as file:
            file.write(form.header(len(pcm) // form.frame_bytes) + pcm)

    def job(self, job_id: str) -> BatchJob:
        """A job as its owner reads it."""
        found = self.jobs.read(LOCAL, job_id)
        assert found is not None
        return found

    def ended(self, job_id: str, deadline_s: float = DONE_S) -> BatchJob:
        """A job, once it has ended."""
        wait_until(lambda: self.job(job_id).status in ENDED, f"{job_id} has not ended", deadline_s)
        return self.job(job_id)

    def result(self, job_id: str) -> EnhancedTranscript:
        """What a job that is done found."""
        found = self.jobs.result(LOCAL, job_id)
        assert found is not None
        return msgspec.json.decode(found, type=EnhancedTranscript)

    def hold(self, stage: str) -> None:
        """Have the next jobs wait in a stage."""
        (self.folder / f"at-{stage}").unlink(missing_ok=True)
        (self.folder / f"hold-{stage}").touch()

    def reached(self, stage: str) -> None:
        """Wait until a job is in a stage that is held."""
        wait_until((self.folder / f"at-{stage}").exists, f"no job came to {stage}", DONE_S)

    def let_go(self, stage: str) -> None:
        """Hold the stage no more."""
        (self.folder / f"hold-{stage}").unlink()


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DONE_S) -> None:
    """Wait for what other processes do."""
    until = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def job_processes(enhancer: ManagedProcess) -> list[psutil.Process]:
    """The processes in which an enhancer runs jobs."""
    return list(psutil.Process(enhancer.pid).children())
