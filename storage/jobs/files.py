"""Names the files of a job among the recordings.

    jobs/ID/input.mp3                what was uploaded; a session's job reads the session's recording
    jobs/ID/transcribe-1f0c.json     the output of a stage, by a digest of what it was made from

An output is named for its input, so whoever makes it again writes the same file.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from storage.recordings.errors import BadSessionId, RecordingError
from storage.recordings.store import RecordingStore

JOBS: Final = "jobs"
JOB_ID: Final = re.compile(r"job_[0-9a-f]{32}", re.ASCII)
"""The form of a job's id; nothing else touches a path."""
SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,8}", re.ASCII)
DIGITS: Final = 16  # Hexadecimal digits of a digest, 64 bits: the outputs of one job must differ.


def job_folder(job_id: str) -> str:
    """Where the files of a job lie.

    Raises:
        BadSessionId: the id can't name a folder.
    """
    if not JOB_ID.fullmatch(job_id):
        raise BadSessionId("the id of a job is job_ and 32 digits from 0 to f")
    return f"{JOBS}/{job_id}"


def input_key(job_id: str, suffix: str = "") -> str:
    """Where an uploaded file lies; a `suffix` that could lead elsewhere is left out."""
    return f"{job_folder(job_id)}/input{suffix if SUFFIX.fullmatch(suffix) else ''}"


def output_key(job_id: str, stage: str, inputs: Iterable[str], kind: str = "json") -> str:
    """Where the output of a stage lies that was made from `inputs`, which are keys and settings."""
    digest = hashlib.sha256("\x00".join((stage, *inputs)).encode()).hexdigest()
    return f"{job_folder(job_id)}/{stage}-{digest[:DIGITS]}.{kind}"


@contextmanager
def create_file(store: RecordingStore, key: str) -> Iterator[IO[bytes]]:
    """A file of a job to write, which is there once it is complete, and not at all where that fails.

    Raises:
        StorageUnavailable: the store is away, or full.
    """
    store.make_folder(key.rpartition("/")[0])
    try:
        with store.create(key) as file:
            yield file
    except BaseException:
        with suppress(RecordingError):
            store.delete(f"{key}.new")  # What is half written would fill the disk.
        raise
