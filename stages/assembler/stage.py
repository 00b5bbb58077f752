"""The assembler: hypotheses and boundaries in; numbered, aligned, ordered protocol events out."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dalston_realtime.protocol.audio import SAMPLE_RATE
from runtime.logs import configure_logging
from runtime.process import Stop
from runtime.settings import read_settings
from stages.assembler.transcript import Segment, UtteranceText
from stages.channels import Packet
from stages.messages import (
    Close,
    Configure,
    Event,
    Flush,
    Hypothesis,
    Message,
    Open,
    Progress,
    SessionFailed,
    Stamps,
    TextEnd,
    UtteranceEnd,
    UtteranceStart,
)
from stages.process import StageProcess
from stages.settings import WorkerSettings


def seconds(samples: int) -> float:
    """A sample index as the protocol's seconds, to the millisecond."""
    return round(samples / SAMPLE_RATE, 3)


@dataclass(slots=True)
class AssemblerSession:
    """What was said so far. `number` is the protocol's count of utterances, not the VAD's."""

    opened: Open
    number: int = 1  # of the utterance that is being said, or said next
    text: UtteranceText = field(default_factory=lambda: UtteranceText(begins=True))
    shown: bool = False  # the client has seen a partial of it, so it must see its final
    segments: list[Segment] = field(default_factory=list)
    speech: int = 0  # samples
    speech_at: int | None = None
    overlaps: bool = False  # its first utterance may repeat what another worker made final


def opened(message: Open) -> AssemblerSession:
    """A session as it begins here."""
    before = message.before
    text = UtteranceText(before, begins=not before or before[-1][-1] in ".!?", frozen=list(message.frozen))
    return AssemblerSession(message, message.utterance, text, message.shown, overlaps=message.overlaps)


class AssemblerStage:
    """Holds each session's transcript and says what has changed."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._sessions: dict[str, AssemblerSession] = {}

    busy = patient = False

    def work(self, now: int) -> Iterator[Packet]:
        """Nothing ever waits here."""
        yield from ()

    def handle(self, message: Message, payload: bytes, now: int) -> Iterator[Packet]:
        """Take one message."""
        if isinstance(message, Open):
            self._sessions[message.session] = opened(message)
            yield message, b""
        elif isinstance(message, Event | Progress | TextEnd | SessionFailed | Configure):
            yield message, b""
        elif session := self._sessions.get(getattr(message, "session", "")):
            yield from self._handle(session, message, now)
        elif isinstance(message, Close):  # of a session from before this process: the sender has it still
            yield message, b""

    def _handle(self, session: AssemblerSession, message: Message, now: int) -> Iterator[Packet]:
        match message:
            case UtteranceStart(at=at):
                session.speech_at = at
                yield from self._vad(session, "vad.speech_start", at)
            case UtteranceEnd(at=at):
                session.speech += max(0, at - (at if session.speech_at is None else session.speech_at))
                session.speech_at = None
                yield from self._vad(session, "vad.speech_end", at)
            case Hypothesis(final=True):
                yield from self._final(session, message, now)
            case Hypothesis():
                yield from self._partial(session, message, now)
            case Flush(flush_id=flush_id):
                fields = {"utterance": session.number, "text": "", "flush_id": flush_id}
                session.number += 1
                yield self._event(session, "transcript.final", fields, (*message.stamps, now))
            case Close():
                yield from self._close(session, message, now)

    def _vad(self, session: AssemblerSession, kind: str, at: int) -> Iterator[Packet]:
        if session.opened.enable_vad:
            yield self._event(session, kind, {"timestamp": seconds(at)})

    def _partial(self, session: AssemblerSession, said: Hypothesis, now: int) -> Iterator[Packet]:
        self._align(session, said)
        partial = session.text.partial(said.text)
        if not partial.text:
            return
        session.shown = True
        fields = {
            "utterance": session.number,
            "text": partial.text,
            "stable": partial.stable,
            "start": seconds(said.start),
            "end": seconds(said.end),
        }
        stamps = (*said.stamps, now)
        yield self._event(session, "transcript.partial", fields, stamps, said.inference_ns)

    def _final(self, session: AssemblerSession, said: Hypothesis, now: int) -> Iterator[Packet]:
        self._align(session, said)
        repeated = session.text.repeats(said.text) if said.words else 0
        text = session.text.final(said.text)
        shown, session.shown = session.shown, False
        session.text = session.text.following(text)
        session.overlaps = session.overlaps and not text
        if not text and not shown and said.flush_id is None:
            return
        if text:
            session.segments.append(Segment(session.number, text, said.start, said.end))
        said = replace(said, words=_timed(said, repeated, text))
        fields = {"utterance": session.number, "text": text, **_details(said)}
        session.number += 1
        stamps = (*said.stamps, now)
        yield self._event(session, "transcript.final", fields, stamps, said.inference_ns)

    def _align(self, session: AssemblerSession, said: Hypothesis) -> None:
        """Only an utterance that overlaps the one before it may lose words to it."""
        if not said.overlaps and not session.overlaps:
            session.text.before = ()

    def _close(self, session: AssemblerSession, message: Close, now: int) -> Iterator[Packet]:
        del self._sessions[message.session]
        if message.reason == "end":
            stamps = (*message.stamps, now)
            yield self._event(session, "session.end", _summary(session, message), stamps)
        yield message, b""

    def _event(
        self,
        session: AssemblerSession,
        kind: str,
        fields: dict[str, Any],
        stamps: Stamps = (),
        inference_ns: int = 0,
    ) -> Packet:
        opened = session.opened
        left = (*stamps, self._clock()) if stamps else ()
        return Event(opened.session, opened.route, kind, fields, left, inference_ns), b""


def _timed(said: Hypothesis, repeated: int, text: str) -> tuple[tuple[str, int, int, float | None], ...]:
    """The words of a final's `text` with their times; where these can't be matched, the engine's own words.

    The hypothesis begins with words that are `repeated` from the utterance before.
    """
    matched = len(said.words) == len(said.text.split())
    timed, words = said.words[repeated if matched else 0 :], text.split()
    if len(timed) != len(words):
        return timed
    return tuple((word, start, end, sure) for word, (_, start, end, sure) in zip(words, timed, strict=True))


def _details(said: Hypothesis) -> dict[str, Any]:
    """What is known of a final beside its text; what is not known is left out."""
    fields: dict[str, Any] = {"start": seconds(said.start), "end": seconds(said.end)}
    fields["endpoint_wait"] = round((said.decided - said.end) * 1000 / SAMPLE_RATE, 1)
    optional = {
        "language": said.language,
        "confidence": said.confidence,
        "flush_id": said.flush_id,
        "words": [_word(*word) for word in said.words] or None,
    }
    return fields | {name: value for name, value in optional.items() if value is not None}


def _word(word: str, start: int, end: int, confidence: float | None) -> dict[str, Any]:
    fields = {"word": word, "start": seconds(start), "end": seconds(end), "confidence": confidence}
    return {name: value for name, value in fields.items() if value is not None}


def _summary(session: AssemblerSession, message: Close) -> dict[str, Any]:
    return {
        "session_id": session.opened.session,
        "transcript": " ".join(segment.text for segment in session.segments),
        "segments": [
            {
                "utterance": s.utterance,
                "text": s.text,
                "start": seconds(s.start),
                "end": seconds(s.end),
            }
            for s in session.segments
        ],
        "audio_duration": seconds(message.received),
        "speech_duration": seconds(session.speech),
        "reason": "end",
    }


def main() -> None:
    """Run the stage as a process."""
    stop = Stop()
    settings = read_settings(WorkerSettings)
    configure_logging("assembler", settings.log_level, settings.log_format)
    StageProcess("assembler", settings, stop).run(AssemblerStage(time.monotonic_ns))
