"""Speaks OpenAI's realtime protocol for transcription, in today's form and in that of its beta."""

import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event, Partial, SessionEnd, SpeechEnd, SpeechStart
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.realtime.dialects.actions import (
    Action,
    Actions,
    AppendAudio,
    ChangeSession,
    CloseClient,
    FlushSession,
    NoteIgnored,
)
from gateway.realtime.dialects.client_messages import UnreadableFrame, decode_audio, decode_object
from gateway.realtime.dialects.dialect import Conversation, Dialect, Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.openai_item import OpenAIItem, OpenAIItems
from gateway.realtime.dialects.openai_messages import OpenAIMessages
from gateway.realtime.dialects.openai_session import RealtimeOptions, ignored_of
from gateway.sessions.outcome import SessionOutcome

SUBPROTOCOL: Final = "realtime"
BETA_SUBPROTOCOL: Final = "openai-beta.realtime-v1"
KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
BETA_HEADER: Final = "realtime=v1"

MAX_APPEND: Final = 21 << 20  # Bytes of one message: 15 MiB of audio in base64, and the JSON around it.
IDLE_S: Final = 1_800.0  # Seconds: clients send nothing in a pause, and LiveKit keeps a socket for 10 min.
TEXTLESS_S: Final = 2.0  # Seconds of audio behind speech, by which its text would have come.
PIECE: Final = 96_000  # Bytes of audio that are passed on at once: 2 s at 24 kHz.

COMMIT: Final = "commit"
CLEAR: Final = "clear"
UNSUPPORTED: Final = ("conversation.item.create", "response.create")
"""What would be a conversation with a model."""

_CLOSES: Final[Mapping[CloseCode, CloseClient]] = {
    CloseCode.NORMAL: CloseClient(1000, ""),
    CloseCode.IDLE_TIMEOUT: CloseClient(1000, "idle"),
    CloseCode.LAG_EXCEEDED: CloseClient(1013, "the results fell too far behind the audio"),
    CloseCode.INVALID_REQUEST: CloseClient(1008, "the data can't be read"),
    CloseCode.SESSION_TOO_LONG: CloseClient(1001, "the session reached its longest duration"),
    CloseCode.RESTARTING: CloseClient(1012, "the server is going away"),
    CloseCode.NO_CAPACITY: CloseClient(1013, "no slot is free"),
    CloseCode.TOO_MANY_SESSIONS: CloseClient(1013, "a limit of this key is reached"),
    CloseCode.UNAUTHORIZED: CloseClient(1008, "the key is not valid"),
    CloseCode.FORBIDDEN: CloseClient(1008, "the key may not do this"),
}


class OpenAIRealtime(Dialect):
    """The protocol of `/v1/realtime`; `new_id` makes ids, behind a prefix such as `item_`."""

    name = "openai"
    path = "/v1/realtime"
    refuses_when_full = False  # LiveKit takes a refused handshake for the end.

    def __init__(self, new_id: Callable[[], str] = lambda: uuid.uuid4().hex[:20]) -> None:
        self._new_id = new_id

    def open(self, handshake: Handshake) -> Opening:
        """What a client asks for."""
        return self._open(handshake, RealtimeOptions(model=handshake.one("model") or ""))

    def open_with(self, handshake: Handshake, session: str) -> Opening:
        """What its client secret says goes before the model in the URL, which some clients always send."""
        asked = decode_object(session)
        options = RealtimeOptions(model=handshake.one("model") or "").changed(asked)
        return replace(self._open(handshake, options), ignored=ignored_of(asked))

    def _open(self, handshake: Handshake, options: RealtimeOptions) -> Opening:
        is_beta = BETA_SUBPROTOCOL in handshake.subprotocols or BETA_HEADER in handshake.headers.get(
            "openai-beta", ""
        )
        return Opening(
            options.config(),
            lambda in_force: RealtimeConversation(in_force, options, self._new_id, is_beta=is_beta),
            handshake.authorization(("bearer",)) or _offered_key(handshake),
            _selected(handshake),
        )


def _offered_key(handshake: Handshake) -> str | None:
    """The key that a browser puts into a sub-protocol, since it can't set headers."""
    for offered in handshake.subprotocols:
        if offered.startswith(KEY_SUBPROTOCOL):
            return offered.removeprefix(KEY_SUBPROTOCOL) or None
    return None


def _selected(handshake: Handshake) -> str | None:
    known = (SUBPROTOCOL, BETA_SUBPROTOCOL)
    return next((name for name in known if name in handshake.subprotocols), None)


class RealtimeConversation(Conversation):
    """One connection to `/v1/realtime`."""

    idle_s = IDLE_S
    max_frame = MAX_APPEND
    ticks = True

    def __init__(
        self, config: SessionConfig, options: RealtimeOptions, new_id: Callable[[], str], *, is_beta: bool
    ) -> None:
        self._model, self._options, self._before = config.model, options, options
        self._messages = OpenAIMessages(f"sess_{new_id()}", is_beta=is_beta)
        self._items = OpenAIItems(lambda: f"item_{new_id()}")
        self._flushes = 0
        self._pending: deque[str] = deque()  # The flushes that are not answered, in their order.

    def greet(self) -> Actions:
        """At once: Pipecat configures nothing before."""
        return [self._messages.session("created", self._options, self._model)]

    def receive(self, frame: bytes | str) -> Actions:
        """A message; audio comes in base64."""
        try:
            if isinstance(frame, bytes):
                raise UnreadableFrame("a message must be a text frame; audio is base64 in one")
            return self._receive(decode_object(frame))
        except UnreadableFrame as error:
            return [self._messages.error("invalid_message", str(error))]

    def _receive(self, message: Mapping[str, Any]) -> Actions:
        match message.get("type"):
            case "input_audio_buffer.append":
                return self._append(decode_audio(message.get("audio")))
            case "input_audio_buffer.commit":
                return [self._flush(COMMIT)]
            case "input_audio_buffer.clear":
                return [self._flush(CLEAR)]
            case "session.update" | "transcription_session.update" as kind:
                self._messages.is_beta |= kind.startswith("transcription")
                return self._update(message.get("session"))
            case kind if kind in UNSUPPORTED:
                text = f"{kind} is not supported: this server only transcribes"
                return [self._messages.error("unsupported", text, of=message)]
        return ()

    def _append(self, audio: bytes) -> Actions:
        return [AppendAudio(audio[at : at + PIECE]) for at in range(0, len(audio), PIECE)]

    def _flush(self, kind: str) -> FlushSession:
        self._flushes += 1
        self._pending.append(f"{kind}-{self._flushes}")
        return FlushSession(self._pending[-1])

    def _update(self, session: Any) -> Actions:
        try:
            changed = self._options.changed(session)
            config = changed.config()
        except InvalidParameter as error:
            return [self._messages.refusal(error)]
        self._before, self._options = self._options, changed
        ignored = ignored_of(session)
        return [*([NoteIgnored(OpenAIRealtime.name, ignored)] if ignored else []), ChangeSession(config)]

    def accept(self, config: SessionConfig) -> Actions:
        """Say what is in force."""
        self._model = config.model
        return [self._messages.session("updated", self._options, self._model)]

    def reject(self, error: InvalidParameter) -> Actions:
        """Say why, and go on as before."""
        self._options = self._before
        return [self._messages.refusal(error)]

    def translate(self, event: Event) -> Actions:
        """Items, and the text in them as it becomes certain."""
        match event:
            case SpeechStart() if not self._options.is_manual:
                return [self._messages.speech_started(self._items.speak(event.timestamp), event.timestamp)]
            case SpeechEnd():
                item = self._items.pause(event.timestamp)
                return [self._messages.speech_stopped(item, event.timestamp)] if item else ()
            case Partial() if event.text and not self._is_clearing:
                return [*self._settle(event.end), *self._partial(event)]
            case FinalEvent():
                return [*self._settle(event.end), *self._final(event)]
            case SessionEnd():
                return [each for item in self._items.paused() for each in self._complete(item)]
        return ()

    @property
    def _is_clearing(self) -> bool:
        """Whether what comes now is of audio that the client has thrown away."""
        return bool(self._pending) and self._pending[0].startswith(CLEAR)

    def _settle(self, end: float | None) -> list[Action]:
        """Complete the items of speech that had no text, before what ends at `end` seconds."""
        return [each for item in self._items.before(end) for each in self._complete(item)]

    def _partial(self, event: Partial) -> Sequence[Action]:
        item = self._items.first()
        return self._messages.delta(item, item.show(event))

    def _final(self, event: FinalEvent) -> Sequence[Action]:
        if event.flush_id is not None:
            return self._answer(event)
        if self._is_clearing:
            return []
        if self._options.is_manual:
            item = self._items.first()
            return self._messages.delta(item, item.hold(event))
        return self._end_turn(event) if event.text or self._items.paused() else []

    def _end_turn(self, event: FinalEvent) -> list[Action]:
        """The end of an item by silence, or in mid-speech, where it was cut; then another one begins."""
        item = self._items.first()
        at = event.end or 0.0
        if item.start is None:  # Its beginning was not shown.
            item.start = event.start or 0.0
            return [self._messages.speech_started(item, item.start), *self._complete(item, event)]
        if not item.goes_on_after(at):
            return self._complete(item, event)
        return self._cut(item, event, at)

    def _cut(self, item: OpenAIItem, event: FinalEvent, at: float) -> list[Action]:
        """The end of an item in mid-speech at `at` seconds, and the next one, which goes on there."""
        until = item.end
        said: list[Action] = []
        if until is None:
            item.end = at
            said.append(self._messages.speech_stopped(item, at))
        said += self._complete(item, event)
        if event.text:
            rest = self._items.begin(at, until)
            said.append(self._messages.speech_started(rest, at))
            said += [self._messages.speech_stopped(rest, until)] if until is not None else []
        return said

    def _answer(self, event: FinalEvent) -> list[Action]:
        """The one answer to a commit, or to a clear."""
        kind = self._pending.popleft() if self._pending else COMMIT
        if kind.startswith(CLEAR):
            return [*self._clear(), self._messages.cleared()]
        if event.text or self._options.is_manual:
            return self._complete(self._items.first(), event)
        paused = self._items.paused()  # Speech in which there was no text, all of it before this commit.
        answered = paused or [self._items.begin()]
        return [each for item in answered for each in self._complete(item)]

    def _clear(self) -> list[Action]:
        """Close what the client has heard of, without a text; what somebody still says is behind it."""
        said: list[Action] = []
        for item in self._items.all():
            if item.start is not None and item.end is None:
                continue
            if item.was_shown:
                said += self._complete(item, keeps_text=False)
            else:
                self._items.shift(item)
        return said

    def _complete(
        self, item: OpenAIItem, event: FinalEvent | None = None, *, keeps_text: bool = True
    ) -> list[Action]:
        """Commit an item, and say all that is in it."""
        said: list[Action] = []
        if item.start is not None and item.end is None:
            item.end = max(item.start, (event and event.end) or 0.0)
            said.append(self._messages.speech_stopped(item, item.end))
        said += self._messages.committed(item)
        if event is not None:
            said += self._messages.delta(item, item.hold(event))
        said.append(self._messages.completed(item if keeps_text else OpenAIItem(item.id)))
        self._items.shift(item)
        return said

    def on_heard(self, heard: float) -> Actions:
        """Speech in which there was no text ends too."""
        return self._settle(heard - TEXTLESS_S)

    def conclude(self, outcome: SessionOutcome) -> Actions:
        """The close; an error before it only where the client must not try the same again."""
        code = CloseCode.INTERNAL if outcome.code is None else outcome.code
        close = _CLOSES.get(code, CloseClient(1011, "a fault of the server"))
        if code in (CloseCode.INVALID_REQUEST, CloseCode.TOO_MANY_SESSIONS) and outcome.event is not None:
            return [self._messages.error(code.error, outcome.event.message), close]
        return [close]
