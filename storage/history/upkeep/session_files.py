"""Says what the history needs of the files of sessions, wherever they lie."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from storage.jobs.files import job_folder
from storage.recordings.errors import NoRecording, RecordingError
from storage.recordings.library import Recordings


class SessionFiles(Protocol):
    """The files of sessions; every method blocks."""

    def open_audio(self, session_id: str) -> IO[bytes]:
        """The recording as a WAV file in which one may seek.

        Raises:
            FileNotFoundError: there is none.
            OSError: it can't be read now.
        """

    def delete(self, session_id: str) -> None:
        """Remove all files of a session, also where there are none.

        Raises:
            OSError: they can't be removed now.
        """

    def delete_job(self, job_id: str) -> None:
        """Remove all files of a job, also where there are none.

        Raises:
            OSError: they can't be removed now.
        """


class RecordedFiles:
    """The files of sessions among the recordings."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings

    def open_audio(self, session_id: str) -> IO[bytes]:
        """The joined recording.

        Raises:
            FileNotFoundError: there is none.
            OSError: it is not joined yet, or the store is away.
        """
        with _as_os_error():
            return self._recordings.open_audio(session_id)

    def delete(self, session_id: str) -> None:
        """Delete all that is recorded.

        Raises:
            OSError: the store is away.
        """
        with _as_os_error():
            self._recordings.delete(session_id)

    def delete_job(self, job_id: str) -> None:
        """Delete what was uploaded for a job, and what it made.

        Raises:
            OSError: the store is away.
        """
        with _as_os_error():
            self._recordings.store.delete(job_folder(job_id), recursive=True)


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except NoRecording as error:
        raise FileNotFoundError(str(error)) from None
    except RecordingError as error:
        raise OSError(str(error)) from None
