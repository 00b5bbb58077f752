"""Says what the history needs of the files of sessions, wherever they lie."""

import re
from typing import BinaryIO, Final, Protocol

SESSION_ID: Final = re.compile(r"[0-9a-f]{32}")
"""The form of a session's id; nothing else touches a path."""


class SessionFiles(Protocol):
    """The files of sessions; every method blocks."""

    def open_audio(self, session_id: str) -> BinaryIO:
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


class NoFiles:
    """The files where nothing is recorded."""

    def open_audio(self, session_id: str) -> BinaryIO:
        """There is none."""
        raise FileNotFoundError(session_id)

    def delete(self, session_id: str) -> None:
        """There is nothing to remove."""
