"""The VAD stage: audio of all sessions in; utterances with their audio, and the boundaries, out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Protocol

import numpy as np

from engines.base import Floats
from engines.silero import WINDOW, VadState
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules, samples
from stages.messages import (
    Audio,
    Close,
    Configure,
    Flush,
    InputTimedOut,
    Message,
    Open,
    SessionFailed,
    Silence,
    Stamps,
    TextEnd,
    UtteranceEnd,
    UtteranceStart,
)
from stages.vad.endpointer import Boundary, Ended, Started
from stages.vad.vad_session import AT_ONCE, VadSession, silence_of, speaker_at

PROGRESS: Final = samples(250)  # silence is reported this often, to keep the clock behind the VAD going
BATCH: Final = 64  # windows in a batch; larger ones are no cheaper (measured), and their results come later
GOES_ON_NS: Final = 5_000_000_000  # audio that comes later behind a stall does not go on in mid-word


class Vad(Protocol):
    """A model that tells speech from other sound."""

    def __call__(self, sounds: Sequence[Floats], states: Sequence[VadState]) -> list[Floats]:
        """Probabilities [n] for the n windows in each session's sound [n * 512]."""
        ...


class VadStage:
    """Looks at the windows of the sessions that have some, many in one batch, until none has."""

    def __init__(self, vad: Vad, rules: EndpointRules, clock: Callable[[], int]) -> None:
        self._vad, self._rules, self._clock = vad, rules, clock
        self._speakers: dict[str, VadSession] = {}
        self._waiting: dict[str, VadSession] = {}

    patient = False

    @property
    def busy(self) -> bool:
        """Whether a session has a window waiting."""
        return bool(self._waiting)

    def handle(self, message: Message, payload: bytes, now: int) -> Iterable[Packet]:
        """Take one message; what is said in-band is acted on behind the audio before it."""
        match message:
            case Open():
                self._speakers[message.session] = speaker_at(message, self._rules)
                yield message, b""
            case Audio() if speaker := self._speakers.get(message.session):
                speaker.append(payload, (*message.stamps, now))
                _end_stall(speaker, now)
                if speaker.windows:
                    self._waiting[message.session] = speaker
            case Flush() | Configure() | Close() if speaker := self._speakers.get(message.session):
                yield from self._catch_up(speaker)
                yield from self._control(speaker, message, now)
            case TextEnd() if speaker := self._speakers.get(message.session):
                yield from self._read(speaker, message, now)
            case InputTimedOut() if speaker := self._speakers.get(message.session):
                yield from self._catch_up(speaker)
                yield from self._stall(speaker, message, now)
            case SessionFailed() | Close():  # the Close of a session that others have, and this process not
                yield message, b""

    def work(self, now: int) -> Iterator[Packet]:
        """Look at what waits, of those who have waited longest."""
        batch: list[VadSession] = []
        windows = 0
        for speaker in self._waiting.values():
            batch.append(speaker)
            windows += min(speaker.windows, AT_ONCE)
            if windows >= BATCH:
                break
        yield from self._look(batch)
        for speaker in batch:
            session = speaker.opened.session
            del self._waiting[session]
            if speaker.windows:
                self._waiting[session] = speaker
            else:
                yield from self._forward(speaker)

    def _catch_up(self, speaker: VadSession) -> Iterator[Packet]:
        while speaker.windows:
            yield from self._look([speaker])
        self._waiting.pop(speaker.opened.session, None)
        yield from self._forward(speaker)

    def _look(self, batch: Sequence[VadSession]) -> Iterator[Packet]:
        if not batch:
            return
        sounds = [speaker.sound() for speaker in batch]
        heard = self._listen(batch, sounds)
        for speaker, sound, probabilities in zip(batch, sounds, heard, strict=True):
            windows = sound.reshape(-1, WINDOW)
            energies = np.einsum("ij,ij->i", windows, windows)
            for probability, energy in zip(probabilities.tolist(), energies.tolist(), strict=True):
                for boundary in speaker.endpointer.feed(probability, energy):
                    yield from self._tell(speaker, boundary, None)
            speaker.forget()

    def _listen(self, batch: Sequence[VadSession], sounds: Sequence[Floats]) -> list[Floats]:
        """The probabilities of each session's windows; a muted microphone is no work for the model."""
        heard = [np.zeros(len(sound) // WINDOW, np.float32) for sound in sounds]
        rows = [i for i, sound in enumerate(sounds) if not batch[i].is_muted(sound)]
        if rows:
            found = self._vad([sounds[i] for i in rows], [batch[i].state for i in rows])
            for i, probabilities in zip(rows, found, strict=True):
                heard[i] = probabilities
        for i in set(range(len(batch))) - set(rows):
            batch[i].state.skip(sounds[i])
        return heard

    def _control(self, speaker: VadSession, message: Flush | Configure | Close, now: int) -> Iterator[Packet]:
        if isinstance(message, Configure):
            speaker.endpointer.min_silence = silence_of(message.min_silence_ms)
            yield message, b""
            return
        ends = message.reason == "end" if isinstance(message, Close) else True
        boundaries = speaker.endpointer.flush(speaker.received) if ends else []
        speaker.stamps = (*message.stamps, now)
        flush_id = message.flush_id if isinstance(message, Flush) else None
        for boundary in boundaries:
            yield from self._tell(speaker, boundary, flush_id)
        yield from self._forward(speaker, whole=True)
        if isinstance(message, Close):
            del self._speakers[message.session]
            yield replace(message, stamps=self._leave(speaker)), b""
        elif not boundaries:
            yield replace(message, stamps=self._leave(speaker)), b""

    def _read(self, speaker: VadSession, text: TextEnd, now: int) -> Iterator[Packet]:
        """End the utterance if the silence is long enough for what the text says of it.

        The time since the last audio counts as silence waited, not as work of this stage.
        """
        since = samples((now - speaker.stamps[-1]) / 1e6) if speaker.stamps else 0
        for boundary in speaker.endpointer.read(text.at, text.finished):
            for message, payload in self._tell(speaker, boundary, None):
                if isinstance(message, UtteranceEnd):
                    stamps = (now, now, now, self._clock())
                    yield replace(message, decided=message.decided + since, stamps=stamps), payload
                else:
                    yield message, payload

    def _stall(self, speaker: VadSession, message: InputTimedOut, now: int) -> Iterator[Packet]:
        speaker.stamps, speaker.stalled = (*message.stamps, now), now
        for boundary in speaker.endpointer.stall(speaker.received):
            yield from self._tell(speaker, boundary, None)
        yield from self._forward(speaker, whole=True)

    def _tell(self, speaker: VadSession, boundary: Boundary, flush_id: str | None) -> Iterator[Packet]:
        session, route = speaker.opened.session, speaker.route
        if isinstance(boundary, Started):
            speaker.utterance += 1
            speaker.sent = boundary.start
            start = UtteranceStart(session, route, speaker.utterance, boundary.at, boundary.overlaps)
            yield start, b""
            return
        yield from self._send_audio(speaker, max(speaker.endpointer.position, boundary.until))
        yield self._speech_end(speaker, boundary, flush_id), b""
        if boundary.kind == "cut":
            speaker.utterance += 1

    def _speech_end(self, speaker: VadSession, end: Ended, flush_id: str | None) -> UtteranceEnd:
        return UtteranceEnd(
            speaker.opened.session,
            speaker.route,
            speaker.utterance,
            end.at,
            end.until,
            end.kind,
            end.resume,
            max(speaker.endpointer.position, end.until),
            flush_id,
            self._leave(speaker),
        )

    def _forward(self, speaker: VadSession, whole: bool = False) -> Iterator[Packet]:
        """Hand on the utterance's audio, or say now and then that there was none."""
        if speaker.endpointer.in_speech:
            yield from self._send_audio(speaker, speaker.endpointer.position)
        elif whole or speaker.received - speaker.told >= PROGRESS:
            speaker.told = speaker.received
            yield Silence(speaker.opened.session, speaker.route, speaker.received), b""

    def _send_audio(self, speaker: VadSession, end: int) -> Iterator[Packet]:
        """Hand on what was looked at: a streaming engine can't take back what it hears behind an end."""
        if speaker.sent < end:
            pcm = speaker.slice(speaker.sent, end)
            message = Audio(speaker.opened.session, speaker.route, speaker.sent, self._leave(speaker))
            speaker.sent = speaker.told = end
            yield message, pcm

    def _leave(self, speaker: VadSession) -> Stamps:
        return (*speaker.stamps, self._clock())


def _end_stall(speaker: VadSession, now: int) -> None:
    """Audio comes again: after a long time it is something new."""
    if speaker.stalled and now - speaker.stalled > GOES_ON_NS:
        speaker.endpointer.part()
    speaker.stalled = 0
