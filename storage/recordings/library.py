"""Finds, reads, finishes and deletes the recordings of sessions."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

import msgspec

from storage.recordings.errors import NoRecording, RecordingNotReady
from storage.recordings.joining import JoinedRecording, Joiner
from storage.recordings.layout import AUDIO, ENDED, PARTS, SESSION_ID, SESSIONS, TRANSCRIPT, session_folder
from storage.recordings.store import RecordingStore


class Recordings:
    """The recordings in one folder or object store. Calls block: not for an event loop.

    Every call may raise `BadSessionId` and `StorageUnavailable`.
    """

    def __init__(self, url: str) -> None:
        """Use a folder, or what a URL such as `s3://bucket/prefix` names.

        Raises:
            StartupError: it can't be used.
        """
        self.store = RecordingStore(url)
        self._joiner = Joiner(self.store)
        self._changing = threading.Lock()  # Held while a session's files are joined or deleted.

    def open_audio(self, session_id: str) -> IO[bytes]:
        """The joined WAV file of a session, to read and to seek in.

        Raises:
            NoRecording: nothing is kept of the session.
            RecordingNotReady: its parts are not joined yet.
        """
        folder = session_folder(session_id)
        try:
            return self.store.open(f"{folder}/{AUDIO}")
        except NoRecording:
            if self.store.sizes(f"{folder}/{PARTS}"):
                raise RecordingNotReady("the recording is not joined yet") from None
            raise

    def read_transcript(self, session_id: str) -> dict[str, Any]:
        """What `transcript.json` says; before the end `events` alone, as far as they came.

        Raises:
            NoRecording: nothing is kept of the session.
        """
        folder = session_folder(session_id)
        try:
            found: dict[str, Any] = msgspec.json.decode(self.store.read(f"{folder}/{TRANSCRIPT}"))
        except NoRecording:
            sizes = self.store.sizes(f"{folder}/{PARTS}")
            if not sizes:
                raise
            return {"session_id": session_id, "events": self._joiner.read_events(folder, sizes)[1]}
        return found

    def finish(self, session_id: str) -> JoinedRecording:
        """Join the parts of a session that is over; it may be repeated.

        Raises:
            NoRecording: there are no parts.
        """
        with self._changing:
            return self._joiner.join(session_id)

    def delete(self, session_id: str) -> bool:
        """Delete all files of a session; whether there were any."""
        with self._changing:
            return self.store.delete(session_folder(session_id), recursive=True)

    def unfinished(self) -> Iterator[str]:
        """The sessions that have parts, whether they are over or still run."""
        for name in self.store.folders(SESSIONS):
            if SESSION_ID.fullmatch(name) and self.store.sizes(f"{SESSIONS}/{name}/{PARTS}"):
                yield name

    def ended(self) -> Iterator[str]:
        """Those of them that are over, and were not joined."""
        for name in self.unfinished():
            with suppress(NoRecording):
                files = self.store.sizes(f"{SESSIONS}/{name}/{PARTS}")
                if ENDED in files and TRANSCRIPT not in self.store.sizes(f"{SESSIONS}/{name}"):
                    yield name
