"""Cuts the audio of all sessions into utterances, and passes on their audio and their boundaries."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from engines.base import Floats
from engines.silero import WINDOW
from runtime.logs import get_logger
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules, samples
from stages.messages import (
    SPECULATIVE,
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
from stages.metrics import StageMetrics
from stages.vad.endpointer import Boundary, Ended, Started
from stages.vad.speech_guard import EVERY, LONGEST, MOST, SURE, SpeechGuard, Vad
from stages.vad.vad_session import AT_ONCE, VadSession, silence_of, vad_session_from

PROGRESS: Final = samples(250)  # Samples of silence after which the stages behind learn how far the clock is.
BATCH: Final = 64  # Windows in a batch: larger ones are no cheaper (measured), and their results come later.
GOES_ON_NS: Final = 5_000_000_000  # Nanoseconds without input after which audio does not go on in mid-word.


log = get_logger(__name__)


class VadStage:
    """Looks at the windows of the sessions that have some, many in one batch, until none has."""

    def __init__(
        self,
        vad: Vad,
        rules: EndpointRules,
        clock: Callable[[], int],
        metrics: StageMetrics | None = None,
    ) -> None:
        self._vad, self._rules, self._clock, self._metrics = vad, rules, clock, metrics
        self._guard = SpeechGuard(vad)
        self._sessions: dict[str, VadSession] = {}
        self._waiting: dict[str, VadSession] = {}

    patient = False

    @property
    def busy(self) -> bool:
        """Whether a session has a window waiting."""
        return bool(self._waiting)

    def handle(self, message: Message, payload: bytes, now: int) -> Iterable[Packet]:
        """Handle one message; what is said in-band is acted on behind the audio before it."""
        match message:
            case Open():
                self._sessions[message.session] = vad_session_from(message, self._rules)
                yield message, b""
            case Audio() if session := self._sessions.get(message.session):
                session.append_samples(payload, (*message.stamps, now))
                _on_input(session, now)
                if session.windows:
                    self._waiting[message.session] = session
            case Flush() | Configure() | Close() if session := self._sessions.get(message.session):
                yield from self._catch_up(session)
                yield from self._handle_control(session, message, now)
            case TextEnd() if session := self._sessions.get(message.session):
                yield from self._handle_text_end(session, message, now)
            case InputTimedOut() if session := self._sessions.get(message.session):
                yield from self._catch_up(session)
                yield from self._handle_input_timeout(session, message, now)
            case SessionFailed() | Close():  # the Close of a session that others have, and this process not
                yield message, b""

    def work(self, now: int) -> Iterator[Packet]:
        """Detect speech in one batch of what waits, of the sessions that have waited longest."""
        batch: list[VadSession] = []
        windows = 0
        for session in self._waiting.values():
            batch.append(session)
            windows += min(session.windows, AT_ONCE)
            if windows >= BATCH:
                break
        yield from self._detect(batch)
        for session in batch:
            del self._waiting[session.key]
            if session.windows:
                self._waiting[session.key] = session
            else:
                yield from self._forward(session)

    def _catch_up(self, session: VadSession) -> Iterator[Packet]:
        while session.windows:
            yield from self._detect([session])
        self._waiting.pop(session.key, None)
        yield from self._forward(session)

    def _detect(self, batch: Sequence[VadSession]) -> Iterator[Packet]:
        if not batch:
            return
        sounds = [session.sound() for session in batch]
        found = self._speech_probabilities(batch, sounds)
        for session, sound, probabilities in zip(batch, sounds, found, strict=True):
            windows = sound.reshape(-1, WINDOW)
            energies = np.einsum("ij,ij->i", windows, windows)
            for probability, energy in zip(probabilities.tolist(), energies.tolist(), strict=True):
                session.on_probability(probability)
                for boundary in session.endpointer.feed(probability, energy):
                    yield from self._emit_boundary(session, boundary, None)
                if session.held is not None:
                    yield from self._look_again(session, session.held)
            session.trim()

    def _speech_probabilities(self, batch: Sequence[VadSession], sounds: Sequence[Floats]) -> list[Floats]:
        """The probabilities of each session's windows; a muted microphone is no work for the model."""
        found = [np.zeros(len(sound) // WINDOW, np.float32) for sound in sounds]
        rows = [i for i, sound in enumerate(sounds) if not batch[i].is_muted(sound)]
        if rows:
            results = self._vad([sounds[i] for i in rows], [batch[i].state for i in rows])
            for i, probabilities in zip(rows, results, strict=True):
                found[i] = probabilities
        for i in set(range(len(batch))) - set(rows):
            batch[i].state.skip(sounds[i])
        return found

    def _handle_control(
        self, session: VadSession, message: Flush | Configure | Close, now: int
    ) -> Iterator[Packet]:
        if isinstance(message, Configure):
            session.endpointer.min_silence = silence_of(message.min_silence_ms)
            yield message, b""
            return
        ends = message.reason == "end" if isinstance(message, Close) else True
        boundaries = session.endpointer.flush(session.received) if ends else []
        session.stamps = (*message.stamps, now)
        flush_id = message.flush_id if isinstance(message, Flush) else None
        ended = [packet for each in boundaries for packet in self._emit_boundary(session, each, flush_id)]
        yield from ended
        yield from self._forward(session, whole=True)
        if isinstance(message, Close):
            del self._sessions[message.session]
            yield replace(message, stamps=self._stamps(session)), b""
        elif not ended:
            yield replace(message, stamps=self._stamps(session)), b""

    def _handle_text_end(self, session: VadSession, text: TextEnd, now: int) -> Iterator[Packet]:
        """End the utterance if the silence is long enough for what the text says of it.

        The time since the last audio counts as silence waited, not as work of this stage.
        """
        since = samples((now - session.stamps[-1]) / 1e6) if session.stamps else 0
        for boundary in session.endpointer.on_text_end(text.at, text.finished):
            for message, payload in self._emit_boundary(session, boundary, None):
                if isinstance(message, UtteranceEnd):
                    stamps = (now, now, now, self._clock())
                    yield replace(message, decided=message.decided + since, stamps=stamps), payload
                else:
                    yield message, payload

    def _handle_input_timeout(
        self, session: VadSession, message: InputTimedOut, now: int
    ) -> Iterator[Packet]:
        session.stamps, session.timed_out_at = (*message.stamps, now), now
        for boundary in session.endpointer.end_without_input(session.received):
            yield from self._emit_boundary(session, boundary, None)
        yield from self._forward(session, whole=True)

    def _emit_boundary(
        self, session: VadSession, boundary: Boundary, flush_id: str | None
    ) -> Iterator[Packet]:
        if isinstance(boundary, Started):
            yield from self._start_utterance(session, boundary)
            return
        if session.held is not None:
            if boundary.kind != "cut" and not self._guard.is_speech(
                session.sound_between(session.sent, boundary.until)
            ):
                if boundary.kind not in SPECULATIVE:
                    self._drop_held(session, boundary.at)
                return
            yield from _release(session)
        yield from self._send_audio(session, max(session.endpointer.position, boundary.until))
        yield self._speech_end(session, boundary, flush_id), b""
        if boundary.kind == "cut":
            session.utterance += 1

    def _start_utterance(self, session: VadSession, started: Started) -> Iterator[Packet]:
        """Say that an utterance begins, or hold it back until it is known for speech."""
        session.utterance += 1
        session.sent = started.start
        start = UtteranceStart(session.key, session.route, session.utterance, started.at, started.overlaps)
        known = session.utterance == 1 and session.opened.partial_shown
        session.held, session.look_at, session.unsure = start, started.at + EVERY, 0
        if known or started.overlaps or session.surest >= SURE:
            yield from _release(session)

    def _look_again(self, session: VadSession, held: UtteranceStart) -> Iterator[Packet]:
        """Let a sound go on that turns out to be speech. It is looked at now and then, not held for long."""
        position = session.endpointer.position
        if session.surest >= SURE or session.unsure >= LONGEST:
            yield from _release(session)
        elif position - held.at >= MOST:
            session.endpointer.flush(position)
            self._drop_held(session, position)
        elif position >= session.look_at:
            session.look_at = position + EVERY
            if self._guard.is_speech(session.sound_between(session.sent, position)):
                yield from _release(session)

    def _drop_held(self, session: VadSession, end: int) -> None:
        """Drop a sound that is no speech, and is over."""
        session.held = None
        session.utterance -= 1
        session.endpointer.drop_resume()
        log.debug("a sound is no speech", session=session.opened.session_id, start=session.sent, end=end)
        if self._metrics is not None:
            self._metrics.drops.labels("not_speech").inc()

    def _speech_end(self, session: VadSession, end: Ended, flush_id: str | None) -> UtteranceEnd:
        return UtteranceEnd(
            session.key,
            session.route,
            session.utterance,
            end.at,
            end.until,
            end.kind,
            end.resume,
            max(session.endpointer.position, end.until),
            flush_id,
            self._stamps(session),
        )

    def _forward(self, session: VadSession, whole: bool = False) -> Iterator[Packet]:
        """Hand on the utterance's audio, or say now and then that there was none."""
        if session.endpointer.in_speech and session.held is None:
            yield from self._send_audio(session, session.endpointer.position)
            return
        silent = session.received if session.held is None else session.sent
        if whole or silent - session.reported >= PROGRESS:
            session.reported = silent
            yield Silence(session.key, session.route, silent), b""

    def _send_audio(self, session: VadSession, end: int) -> Iterator[Packet]:
        """Hand on what was looked at: a streaming engine can't take back what it hears behind an end."""
        if session.sent < end:
            pcm = session.slice(session.sent, end)
            message = Audio(session.key, session.route, session.sent, self._stamps(session))
            session.sent = session.reported = end
            yield message, pcm

    def _stamps(self, session: VadSession) -> Stamps:
        return (*session.stamps, self._clock())


def _release(session: VadSession) -> Iterator[Packet]:
    """Let an utterance begin that was held back."""
    held, session.held = session.held, None
    if held is not None:
        yield held, b""


def _on_input(session: VadSession, now: int) -> None:
    """Audio comes again: after a long time it is something new."""
    if session.timed_out_at and now - session.timed_out_at > GOES_ON_NS:
        session.endpointer.drop_resume()
    session.timed_out_at = 0
