"""Makes protocol events of hypotheses and boundaries: numbered, aligned and in order."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.events import Event, Partial, SpeechEnd, SpeechStart, encode_event
from stages.assembler.channel_group import ChannelGroup
from stages.assembler.event_builder import build_final, build_session_end, empty_final, seconds
from stages.assembler.session import AssemblerSession, session_from
from stages.assembler.transcript import FinalText
from stages.channels import Packet
from stages.messages import (
    AudioProcessed,
    Close,
    Configure,
    EncodedEvent,
    Flush,
    Hypothesis,
    Message,
    Open,
    SessionFailed,
    Stamps,
    TextEnd,
    UtteranceEnd,
    UtteranceStart,
)


class AssemblerStage:
    """Holds each session's transcript and says what has changed."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._sessions: dict[str, AssemblerSession] = {}
        self._groups: dict[str, ChannelGroup] = {}  # By the key of each channel.

    busy = patient = False

    def work(self, now: int) -> Iterator[Packet]:
        """Do nothing: no work ever waits here."""
        yield from ()

    def handle(self, message: Message, payload: bytes, now: int) -> Iterator[Packet]:
        """Handle one message."""
        if isinstance(message, Open):
            self._open(message)
            yield message, b""
        elif isinstance(message, EncodedEvent | AudioProcessed | TextEnd | SessionFailed | Configure):
            yield message, payload
        elif session := self._sessions.get(getattr(message, "session", "")):
            yield from self._handle(session, message, now)
        elif isinstance(message, Close):  # of a session from before this process: the sender has it still
            yield message, b""

    def _open(self, message: Open) -> None:
        """Hold a session, with the separate channels that the client sees as one session with it."""
        keys = message.channels or (message.session,)
        session = self._sessions[message.session] = session_from(message)
        group = self._groups.get(keys[0]) or ChannelGroup(len(keys))
        group.channels.append(session)
        self._groups[message.session] = group

    def _handle(self, session: AssemblerSession, message: Message, now: int) -> Iterator[Packet]:
        match message:
            case UtteranceStart(at=at):
                session.speech_at = at
                yield from self._emit_vad(
                    session, SpeechStart(timestamp=seconds(at), channel=session.opened.channel)
                )
            case UtteranceEnd(at=at):
                session.speech += max(0, at - (at if session.speech_at is None else session.speech_at))
                session.speech_at = None
                yield from self._emit_vad(
                    session, SpeechEnd(timestamp=seconds(at), channel=session.opened.channel)
                )
            case Hypothesis(final=True):
                yield from self._emit_final(session, message, now)
            case Hypothesis():
                yield from self._emit_partial(session, message, now)
            case Flush():
                yield from self._answer_flush(session, message, now)
            case Close():
                yield from self._end_session(session, message, now)

    def _emit_vad(self, session: AssemblerSession, event: SpeechStart | SpeechEnd) -> Iterator[Packet]:
        if session.opened.enable_vad:
            yield self._encode(session, event)

    def _emit_partial(self, session: AssemblerSession, said: Hypothesis, now: int) -> Iterator[Packet]:
        _match_previous_words(session, said)
        partial = session.text.append_partial(said.text, said.word_probabilities)
        if not partial.text:
            return
        session.partial_shown = True
        event = Partial(
            utterance=session.number,
            text=partial.text,
            stable=partial.stable,
            start=seconds(said.start),
            end=seconds(said.end),
            channel=session.opened.channel,
        )
        yield self._encode(session, event, (*said.stamps, now), said.inference_ns)

    def _answer_flush(self, session: AssemblerSession, asked: Flush, now: int) -> Iterator[Packet]:
        """Answer a flush behind which nothing was said, if this is the last channel that does."""
        if self._group(session).is_last_answer(session):
            event = empty_final(session.number, asked.flush_id, session.opened.channel)
            session.number += 1
            yield self._encode(session, event, (*asked.stamps, now))

    def _emit_final(self, session: AssemblerSession, said: Hypothesis, now: int) -> Iterator[Packet]:
        if said.flush_id is not None and not self._group(session).is_last_answer(session):
            said = replace(said, flush_id=None)
        _match_previous_words(session, said)
        repeated = session.text.count_repeated(said.text) if said.words else 0
        text = session.text.finalize(said.text)
        shown, session.partial_shown = session.partial_shown, False
        session.text = session.text.following(text)
        session.overlaps = session.overlaps and not text
        if not text and not shown and said.flush_id is None:
            return
        if text:
            session.finals.append(FinalText(session.number, text, said.start, said.end))
        event = build_final(session.number, text, said, repeated, session.opened.channel)
        session.number += 1
        message, payload = self._encode(session, event, (*said.stamps, now), said.inference_ns)
        waited = round((said.decided - said.end) * 1000 / SAMPLE_RATE, 1)
        yield replace(message, endpoint_wait=waited), payload

    def _end_session(self, session: AssemblerSession, message: Close, now: int) -> Iterator[Packet]:
        group = self._groups.pop(message.session)
        del self._sessions[message.session]
        if message.reason == "end" and group.is_last_end():
            yield self._encode(session, build_session_end(group, message.received), (*message.stamps, now))
        yield message, b""

    def _group(self, session: AssemblerSession) -> ChannelGroup:
        return self._groups[session.opened.session]

    def _encode(
        self, session: AssemblerSession, event: Event, stamps: Stamps = (), inference_ns: int = 0
    ) -> tuple[EncodedEvent, bytes]:
        opened = session.opened
        left = (*stamps, self._clock()) if stamps else ()
        message = EncodedEvent(opened.session, opened.route, event.type, left, inference_ns)
        return message, encode_event(event)


def _match_previous_words(session: AssemblerSession, said: Hypothesis) -> None:
    """Only an utterance that overlaps the one before it may lose words to it, and no more than it shares."""
    if not said.overlaps and not session.overlaps:
        session.text.previous_words = ()
    elif session.finals:
        last = session.finals[-1]
        session.text.overlap = max(0, last.end - said.start) * last.pace
