"""Records a session while it lives, where its client or the server asked for that."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from gateway.sessions.compressed_input import decoded_config
from gateway.sessions.replay.replay_entries import AudioSegment
from gateway.sessions.state import SessionState
from runtime.errors import SessionError
from storage.recordings.recorder import SessionRecorder
from storage.recordings.session_writer import RecordedSession
from storage.recordings.wav import WavFormat

INCOMPLETE: Final = "recording_incomplete"


class RecordingPlace(Protocol):
    """Where sessions are recorded; `storage.recordings.service` has one."""

    def new_writer(self, takeovers: int) -> str:
        """The name of whoever writes, of a session that was taken over so many times."""
        ...

    def record(self, session: RecordedSession, on_loss: Callable[[str], None]) -> SessionRecorder:
        """Record a session from now on."""
        ...


class SessionRecording:
    """The recording of one session at this gateway, from its begin or from where it was taken over."""

    def __init__(self, state: SessionState, place: RecordingPlace) -> None:
        """Record from now on, and what is kept of the session so far: a gateway that had it may not have
        written that."""
        self._state, self._loop, self._told = state, asyncio.get_running_loop(), False
        self._recorder = place.record(_described(state, place.new_writer(state.takeovers)), self._on_loss)
        for event in state.events.kept():
            self._recorder.append_event(event)
        for _, entry in state.replay.entries.items():
            if isinstance(entry, AudioSegment):
                self._append_audio(entry)
        state.replay.on_audio = self._append_audio

    def append_event(self, event: bytes) -> None:
        """Record what the client is told, as JSON."""
        self._recorder.append_event(event)

    def close(self, *, ended: bool) -> None:
        """Record no more; `ended` says that nobody goes on with the session."""
        self._state.replay.on_audio = None
        self._recorder.append_event(b'{"type":"recording.end","frames":%d}' % self._state.replay.end)
        self._recorder.close(ended=ended)

    def _append_audio(self, segment: AudioSegment) -> None:
        self._recorder.append_audio(segment.start, segment.data)

    def _on_loss(self, reason: str) -> None:
        """Something could not be kept; called in any thread, and often."""
        if not self._told:
            self._told = True
            with suppress(RuntimeError):  # The gateway has ended.
                self._loop.call_soon_threadsafe(self._warn, reason)

    def _warn(self, reason: str) -> None:
        # A client that lets its events pile up is told so by the next one of them.
        with suppress(SessionError):
            self._state.warn(INCOMPLETE, f"a part of the session can't be recorded: {reason}")


def _described(state: SessionState, writer: str) -> RecordedSession:
    config = decoded_config(state.requested)
    first_line = {
        "type": "recording",
        "began": round(time.time(), 3),
        "config": config,
    }
    form = WavFormat(config.encoding, config.sample_rate, config.channels)
    return RecordedSession(state.id, writer, form, msgspec.json.encode(first_line))
