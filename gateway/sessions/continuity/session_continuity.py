"""Makes one session of what several workers say: each event reaches the client once, and as its own.

It knows what is final, where another worker has to go on, and what of that worker's events the client has
seen already. Times are seconds on the session's clock.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace as replace_fields
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
from gateway.sessions.continuity.channel_continuity import ChannelContinuity
from gateway.sessions.continuity.replay_start import ReplayStart
from gateway.sessions.continuity.speech_spans import SAME_S
from runtime.worker_link import Progress, WorkerMessage

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
        separate: int = 0,
    ) -> None:
        """`job_id` names the job that enhances the session after its end, where it asks for one; `clock`
        counts seconds; `separate` is the number of channels that are transcribed apart."""
        self._id, self._changes, self._job_id, self._clock = session_id, changes, job_id, clock
        self.state = state or ContinuityState()
        self._begun_at = clock() - self.state.age
        while len(self.state.others) + 1 < separate:
            self.state.others.append(ContinuityState())
        self._channels = [ChannelContinuity(each) for each in (self.state, *self.state.others)]

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
                for each in self._channels:
                    each.state.processed = max(each.state.processed, event.processed)
                return None
            case Partial():
                self._channel(event.channel).note_partial(event)
            case SpeechStart(timestamp=at):
                return event if self._channel(event.channel).start_speech(at) else None
            case SpeechEnd(timestamp=at):
                return event if self._channel(event.channel).end_speech(at) else None
            case FinalEvent():
                self._add_final(event)
            case SessionBegin():
                return self._begin(event)
            case SessionEnd():
                return self._complete(event)
        return event

    def _channel(self, number: int | None) -> ChannelContinuity:
        return self._channels[min(number or 0, len(self._channels) - 1)]

    @property
    def replay_from(self) -> float:
        """No worker needs the audio before: the next utterance may overlap the last one."""
        return min(each.replay_from for each in self._channels)

    @property
    def age(self) -> float:
        """Seconds since the session began, over all of its workers and gateways."""
        return self._clock() - self._begun_at if self.state.begun else 0.0

    @property
    def speech_seconds(self) -> float:
        """Seconds of speech that the client was told of, of all channels."""
        return sum(each.state.earlier_speech + each.state.recent_speech for each in self._channels)

    def snapshot(self) -> ContinuityState:
        """What another gateway has to know, as of now."""
        self.state.age = round(self.age, 3)
        return self.state

    def start_replay(self, *, count_loss: bool = True) -> ReplayStart:
        """Where another worker goes on; `count_loss` says that the audio may be what the worker died of."""
        state = self.state
        first, *others = starts = [each.find_start() for each in self._channels]
        start = replace_fields(first, age=self.age, others=tuple(others))
        before = min(each.state.resumed_at for each in self._channels)
        same_audio = state.moved and start.audio_at <= before + SAME_S
        state.losses = (state.losses if same_audio else 0) + count_loss
        for channel, each in zip(self._channels, starts, strict=True):
            channel.move_to(each.at)
        return start

    def _begin(self, event: SessionBegin) -> Event | None:
        if self.state.begun:
            return None
        self.state.begun, self._begun_at = True, self._clock()
        return replace(event, session_id=self._id)

    def _add_final(self, event: FinalEvent) -> None:
        number = self._channel(event.channel).add_final(event)
        if event.text:
            segment = Segment(
                utterance=number,
                text=event.text,
                start=event.start,
                end=event.end,
                channel=event.channel,
            )
            place = number * len(self._channels) + (event.channel or 0)
            self._changes.set(f"f{place}", _ENCODER.encode(segment))

    def _complete(self, event: SessionEnd) -> Event:
        """The worker's end, completed by what other workers said, and by what the worker can't know."""
        event = replace(event, session_id=self._id, enhancement_job_id=self._job_id)
        if not self.state.moved:
            return event
        fields = self._changes.fields
        places = sorted(int(name[1:]) for name in fields if name[0] == "f")
        segments = [_SEGMENTS.decode(fields[f"f{place}"]) for place in places]
        if len(self._channels) > 1:
            segments.sort(key=lambda segment: segment.start or 0.0)
        earlier = sum(each.state.earlier_speech for each in self._channels)
        return replace(
            event,
            transcript=" ".join(segment.text for segment in segments),
            segments=tuple(segments),
            speech_duration=round(earlier + (event.speech_duration or 0.0), 3),
        )
