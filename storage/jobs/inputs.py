"""Keeps the files that are uploaded for jobs, and opens them."""

import shutil
from typing import IO, Final

from storage.jobs.files import create_file, input_key
from storage.recordings.store import RecordingStore

BLOCK_BYTES: Final = 1 << 20  # Bytes that are copied at a time.


class JobInputs:
    """The uploaded files in one store. Calls block, and may raise `StorageUnavailable`."""

    def __init__(self, store: RecordingStore) -> None:
        self._store = store

    def save(self, job_id: str, file: IO[bytes], suffix: str = "") -> str:
        """Keep a file for a job that is made after this; the `input_key` of the job."""
        key = input_key(job_id, suffix)
        with create_file(self._store, key) as kept:
            shutil.copyfileobj(file, kept, BLOCK_BYTES)
        return key

    def open(self, key: str) -> IO[bytes]:
        """An uploaded file, to read and to seek in.

        Raises:
            NoRecording: it is not there.
        """
        return self._store.open(key)
