"""Tells the history what becomes of one session, where its client or the server wants it kept."""

from collections.abc import Mapping

import msgspec

from broker.checkpoint_record import checkpoint_entries
from dalston_realtime.protocol.events import (
    Event,
    Final,
    Segment,
    ServerError,
    ServerWarning,
    SessionBegin,
    SessionEnd,
    Word,
    decode_event,
)
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.state import SessionState
from storage.history.writing.changes import NewUtterance
from storage.history.writing.session_history import KeptSession, SessionHistory


class HistoryEntry:
    """The record of one session; nothing happens where it is not kept."""

    def __init__(self, history: SessionHistory | None, state: SessionState) -> None:
        self._history = history if state.requested.store else None
        self._state = state
        self._kept: KeptSession | None = None
        self._speech_seconds = 0.0
        # The options of the job that the end makes, which are the server's; None for no job.
        self._enhance: dict[str, str] | None = {} if state.requested.enhance_on_end else None

    def add_event(self, event: Event, worker_id: str) -> None:
        """Note what the client is told."""
        if isinstance(event, SessionBegin):
            self._begin(event)
        if self._kept is None:
            return
        match event:
            case SessionBegin():
                self._kept.add_worker(worker_id)
            case Final(text=text) if text:
                self._kept.add_utterance(utterance_of(event))
            case SessionEnd():
                self._speech_seconds = event.speech_duration or 0.0
            case ServerWarning(code="worker_lost" | "worker_changed"):
                self._kept.add_failover()
            case ServerWarning(code="recording_incomplete"):
                self._kept.add_error(event.code, event.message)
            case ServerError():
                self._kept.add_error(event.code, event.message)

    def _begin(self, event: SessionBegin) -> None:
        if self._history is not None:
            self._kept = self._history.begin(
                self._state.id,
                principal=self._state.principal,
                model=event.model,
                variant=event.variant,
                language=event.language,
                metadata=self._state.requested.metadata or {},
                enhance=self._enhance,
            )

    def take_over(self) -> None:
        """Go on with the record of a session that another gateway began, which may not have written all."""
        if self._history is None:
            return
        metadata = self._state.requested.metadata or {}
        age = self._state.replay.seconds
        self._kept = self._history.begin(
            self._state.id,
            principal=self._state.principal,
            age=age,
            metadata=metadata,
            enhance=self._enhance,
        )
        self._history.add_found(self._state.id, finals_of(self._state.changes.fields))

    def add_resume(self) -> None:
        """The client came back."""
        if self._kept is not None:
            self._kept.add_resume()

    def follow(self, worker_id: str) -> None:
        """The session lives, at this worker."""
        if self._kept is not None:
            seconds = self._state.replay.seconds
            lag = round(max(0.0, seconds - self._state.continuity.state.processed), 3)
            self._kept.add_worker(worker_id)
            self._kept.follow(audio_seconds=round(seconds, 3), lag=lag)

    def finish(self, outcome: SessionOutcome) -> None:
        """The session is over."""
        if self._kept is not None:
            speech = self._speech_seconds or self._state.continuity.speech_seconds
            audio = round(self._state.replay.seconds, 3)
            self._kept.finish(
                outcome.status, outcome.name, audio_seconds=audio, speech_seconds=round(speech, 3)
            )


def utterance_of(final: Final) -> NewUtterance:
    """A final as the history keeps it."""
    return NewUtterance(
        number=final.utterance or 0,
        text=final.text,
        start=final.start,
        end=final.end,
        words=_words(final.words),
        language=final.language,
        confidence=final.confidence,
        channel=final.channel or 0,
    )


def _words(words: tuple[Word, ...] | None) -> str | None:
    return msgspec.json.encode(words).decode() if words else None


def finals_of(fields: Mapping[str, bytes]) -> list[NewUtterance]:
    """The utterances in the fields of a checkpoint: whole, where the event is still there."""
    entries = checkpoint_entries(fields)
    found: dict[tuple[int, int], NewUtterance] = {}
    for data in entries["finals"].values():
        said = msgspec.json.decode(data, type=Segment)
        channel = said.channel or 0
        found[channel, said.utterance] = NewUtterance(
            number=said.utterance, text=said.text, start=said.start, end=said.end, channel=channel
        )
    for data in (*entries["sent_events"].values(), *entries["waiting_events"].values()):
        event = decode_event(data)
        if isinstance(event, Final) and event.text:
            found[event.channel or 0, event.utterance or 0] = utterance_of(event)
    return [found[place] for place in sorted(found)]
