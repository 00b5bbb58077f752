"""Makes a job of a file that was sent, and waits for its transcript."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from dalston_realtime.protocol.jobs import ENDED, BatchJob, JobOptions
from gateway.api.jobs import read_job
from gateway.api.upload import BLOCK, UploadedForm
from gateway.http import Reply, error_reply, unavailable_reply
from storage.jobs.creating import digest_job_id, new_job_id
from storage.jobs.files import create_file, input_key
from storage.jobs.store import JobStore
from storage.recordings.store import RecordingStore

POLL_S: Final = 0.25  # Seconds between two looks at a job that somebody waits for.
RETRY_AFTER_S: Final = 5.0  # Seconds until a client that waited in vain may ask again.


class FileJobs:
    """The jobs of files; a client may wait `longest_wait` seconds for a transcript."""

    def __init__(self, jobs: JobStore, store: RecordingStore, longest_wait: float) -> None:
        self._jobs, self._store, self._longest_wait = jobs, store, longest_wait

    def make(self, owner: str, form: UploadedForm, options: JobOptions) -> BatchJob:
        """The job of this file, which is the one of before where the same is sent again meanwhile. Blocks."""
        said = msgspec.json.encode([owner, form.digest(), options])
        job_id = digest_job_id(said)
        job = self._jobs.read(owner, job_id)
        if job is None or job.status in ENDED:
            job_id = new_job_id() if job else job_id
            key = input_key(job_id, form.suffix)
            with create_file(self._store, key) as copy:
                shutil.copyfileobj(form.file, copy, BLOCK)
            self._jobs.create(owner, options, input_key=key, job_id=job_id)
            job = self._jobs.read(owner, job_id)
        assert job is not None
        return job

    async def looks(self, owner: str, job: BatchJob) -> AsyncIterator[BatchJob]:
        """The job as it is from time to time; at last once it has ended, or after the longest wait."""
        until = time.monotonic() + self._longest_wait
        yield job
        while job.status not in ENDED and time.monotonic() < until:
            await asyncio.sleep(POLL_S)
            found: BatchJob | None = await asyncio.to_thread(read_job, self._jobs, owner, job.job_id)
            job = found or job
            yield job

    async def wait(self, owner: str, job: BatchJob) -> BatchJob:
        """The job as it is at last."""
        async for look in self.looks(owner, job):
            job = look
        return job


def trouble_reply(job: BatchJob) -> Reply:
    """The answer for a job without a result."""
    if job.status == "failed":
        text = f"{job.job_id}: {job.reason or 'the transcription failed'}"
        return error_reply(422, "transcription_failed", text)
    if job.status == "cancelled":
        return error_reply(410, "job_cancelled", f"{job.job_id} was cancelled")
    text = f"{job.job_id} is not done yet: ask for it with GET, or send async=true for long files"
    return unavailable_reply("not_ready", text, RETRY_AFTER_S)
