"""Finds, reads, finishes and deletes the recordings of sessions."""

import threading
from collections.abc import Iterator
from typing import IO, Any

import msgspec

from storage.recordings.errors import NoRecording, RecordingNotReady
from storage.recordings.joining import JoinedRecording, Joiner
from storage.recordings.layout import (
    AUDIO,
    ENDED,
    PARTS,
    SESSION_ID,
    TRANSCRIPT,
    parts_folder,
    session_folder,
)
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
            if self.store.sizes(parts_folder(session_id)):
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
            sizes = self.store.sizes(parts_folder(session_id))
            if not sizes:
                raise
            return {"session_id": session_id, "events": self._joiner.read_events(session_id, sizes)[1]}
        return found

    def finish(self, session_id: str, *, lost: bool = False) -> JoinedRecording:
        """Join the parts of a session that is over; it may be repeated.

        The parts go where none is missing and nobody can have more of them: the session was ended, or it is
        `lost` and this is a folder, in which nothing comes later.

        Raises:
            NoRecording: there are no parts.
        """
        with self._changing:
            return self._joiner.join(session_id, closed=lost and self.store.folder is not None)

    def delete(self, session_id: str) -> bool:
        """Delete all files of a session; whether there were any."""
        with self._changing:
            parts = self.store.delete(parts_folder(session_id), recursive=True)
            return self.store.delete(session_folder(session_id), recursive=True) or parts

    def unfinished(self) -> Iterator[str]:
        """The sessions that have parts, whether they are over or still run."""
        yield from filter(SESSION_ID.fullmatch, self.store.folders(PARTS))

    def ended(self) -> Iterator[str]:
        """Those of them that are over."""
        for name in self.unfinished():
            if ENDED in self.store.sizes(parts_folder(name)):
                yield name
