"""Makes one session of what several workers say: each event reaches the client once, and as its own.

It knows what is final, where another worker has to go on, and what of that worker's events the client has
seen already. Times are seconds on the session's clock.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace as replace_field
from typing import Final

import msgspec
from msgspec.structs import replace

from broker.checkpoint_record import BadCheckpoint, ContinuityState
from dalston_realtime.protocol.events import (
    Event,
    Partial,
    Segment,
    SessionBegin,
    SessionEnd,
    SpeechEnd,
    SpeechStart,
)
from dalston_realtime.protocol.events import Final as FinalEvent
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.continuity.replay_start import ReplayStart, find_replay_start, replay_from
from gateway.sessions.continuity.speech_spans import SAME_S, SeenSpeech, WorkerSpeech
from runtime.worker_link import Progress, WorkerMessage

CONTEXT_WORDS: Final = 8  # Words of the last finals that those behind an overlap are compared with.

_SEGMENTS: Final = msgspec.json.Decoder(Segment)
_ENCODER: Final = msgspec.json.Encoder()


class SessionContinuity:
    """What a session has said so far; its finals are fields of `changes` as well."""

    def __init__(
        self,
        session_id: str,
        changes: ChangeSet,
        state: ContinuityState | None = None,
        job_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`job_id` names the job that enhances the session after its end, where it asks for one; `clock`
        counts seconds."""
        self._id, self._changes, self._job_id, self._clock = session_id, changes, job_id, clock
        self.state = state or ContinuityState()
        self._begun_at = clock() - self.state.age
        self._seen = SeenSpeech(self.state)
        self._speech = WorkerSpeech()

    @classmethod
    def restore(
        cls,
        session_id: str,
        changes: ChangeSet,
        state: ContinuityState,
        finals: Mapping[int, bytes],
        job_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> "SessionContinuity":
        """What another gateway left in a checkpoint.

        Raises:
            BadCheckpoint: a final can't be read.
        """
        try:
            for data in finals.values():
                _SEGMENTS.decode(data)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise BadCheckpoint(f"a final can't be read: {error}") from None
        return cls(session_id, changes, state, job_id, clock)

    def translate(self, event: WorkerMessage) -> Event | None:
        """What the client is to see of a worker's message, if anything."""
        match event:
            case Progress():
                self.state.processed = max(self.state.processed, event.processed)
                return None
            case Partial():
                self.state.partial_start = event.start
                self.state.stable_words = event.text[: event.stable or 0]
            case SpeechStart():
                self._speech.add_start(event.timestamp)
                return event if self._seen.start(event.timestamp) else None
            case SpeechEnd():
                self._speech.add_end(event.timestamp)
                return event if self._seen.end(event.timestamp) else None
            case FinalEvent():
                self._add_final(event)
            case SessionBegin():
                return self._begin(event)
            case SessionEnd():
                return self._complete(event)
        return event

    @property
    def replay_from(self) -> float:
        """No worker needs the audio before: the next utterance may overlap the last one."""
        return replay_from(self.state, self._speech.first_start)

    @property
    def age(self) -> float:
        """Seconds since the session began, over all of its workers and gateways."""
        return self._clock() - self._begun_at if self.state.begun else 0.0

    def snapshot(self) -> ContinuityState:
        """What another gateway has to know, as of now."""
        self.state.age = round(self.age, 3)
        return self.state

    def start_replay(self, *, count_loss: bool = True) -> ReplayStart:
        """Where another worker goes on; `count_loss` says that the audio may be what the worker died of."""
        state = self.state
        start = find_replay_start(state, self._speech.first_start)
        same_audio = state.moved and start.at <= state.resumed_at + SAME_S
        state.losses = (state.losses if same_audio else 0) + count_loss
        self._seen.move_to_worker_at(start.at)
        state.moved, state.resumed_at, state.processed = True, start.at, start.at
        self._speech.reset()
        return replace_field(start, age=self.age)

    def _begin(self, event: SessionBegin) -> Event | None:
        if self.state.begun:
            return None
        self.state.begun, self._begun_at = True, self._clock()
        return replace(event, session_id=self._id)

    def _add_final(self, event: FinalEvent) -> None:
        state = self.state
        number = state.utterance if event.utterance is None else event.utterance
        state.utterance = number + 1
        state.partial_start, state.stable_words = None, ""
        if event.end is not None:
            state.end = max(state.end, event.end)
            state.cut = self._speech.finish_until(state.end)
        if event.text:
            self._keep_text(number, event)
        if not self._speech.reported and event.start is not None and event.end is not None:
            self._seen.add(event.start, event.end)
        self._seen.sum_up(self.replay_from)

    def _keep_text(self, number: int, event: FinalEvent) -> None:
        # A short final may lie within the overlap as a whole, so the words before it count as well.
        words = [*self.state.previous_words.split(), *event.text.split()]
        self.state.previous_words = " ".join(words[-CONTEXT_WORDS:])
        segment = Segment(utterance=number, text=event.text, start=event.start, end=event.end)
        self._changes.set(f"f{number}", _ENCODER.encode(segment))

    def _complete(self, event: SessionEnd) -> Event:
        """The worker's end, completed by what other workers said, and by what the worker can't know."""
        event = replace(event, session_id=self._id, enhancement_job_id=self._job_id)
        if not self.state.moved:
            return event
        fields = self._changes.fields
        numbers = sorted(int(name[1:]) for name in fields if name[0] == "f")
        segments = tuple(_SEGMENTS.decode(fields[f"f{number}"]) for number in numbers)
        return replace(
            event,
            transcript=" ".join(segment.text for segment in segments),
            segments=segments,
            speech_duration=round(self.state.earlier_speech + (event.speech_duration or 0.0), 3),
        )
