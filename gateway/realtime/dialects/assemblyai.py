"""Speaks AssemblyAI's streaming protocol, version 3: `GET /v3/ws`."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event, Partial, SpeechStart, Word
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.parameters import MIN_SILENCE_MS, SessionConfig, parse_query
from gateway.realtime.dialects.actions import (
    Actions,
    AppendAudio,
    ChangeSession,
    CloseClient,
    EndSession,
    FlushSession,
    SayFrame,
    say,
)
from gateway.realtime.dialects.audio_clock import audio_seconds
from gateway.realtime.dialects.client_messages import UnreadableFrame, decode_object
from gateway.realtime.dialects.dialect import Conversation, Dialect, Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.vocabulary import make_vocabulary
from gateway.sessions.outcome import SessionOutcome

ENCODINGS: Final[Mapping[str, str]] = {"pcm_s16le": "pcm_s16le", "pcm_mulaw": "mulaw"}
IGNORED: Final = (
    "end_of_turn_confidence_threshold",
    "filter_profanity",
    "max_turn_silence",
    "prompt",
    "speaker_labels",
    "vad_threshold",
)
"""What changes nothing, and is named in the answer."""

REFUSED: Final = ("redact_pii",)
EXPIRES_S: Final = 10_800  # Seconds that a session may last there; nobody ends ours for that.
MAX_TURN_MS: Final = 60_000  # Milliseconds of silence that a client may name; the protocol's longest counts.
SILENCES: Final = ("min_turn_silence", "min_end_of_turn_silence_when_confident")
"""The names, of today and of before, for the silence that ends a turn."""

FORCED: Final = "force-endpoint"
_CLOSES: Final[Mapping[CloseCode, CloseClient]] = {
    CloseCode.NORMAL: CloseClient(1000, ""),
    CloseCode.IDLE_TIMEOUT: CloseClient(3005, "nothing came for long"),
    CloseCode.RESTARTING: CloseClient(1012, "the server is going away"),
    CloseCode.NO_CAPACITY: CloseClient(1013, "no slot is free"),
    CloseCode.TOO_MANY_SESSIONS: CloseClient(1013, "a limit of this key is reached"),
    CloseCode.SESSION_TOO_LONG: CloseClient(3008, "the session reached its longest duration"),
    CloseCode.UNAUTHORIZED: CloseClient(1008, "the key is not valid"),
    CloseCode.FORBIDDEN: CloseClient(1008, "the key may not do this"),
}


class AssemblyAiStreaming(Dialect):
    """The protocol of `/v3/ws`; `new_id` makes the ids of sessions, `clock` is the time of day."""

    name = "assemblyai"
    path = "/v3/ws"

    def __init__(
        self, new_id: Callable[[], str] = lambda: str(uuid.uuid4()), clock: Callable[[], float] = time.time
    ) -> None:
        self._new_id, self._clock = new_id, clock

    def open(self, handshake: Handshake) -> Opening:
        """What a client asks for."""
        for name in handshake.asked(REFUSED):
            raise InvalidParameter(name, f"{name} is not supported: what it hides would be shown")
        formats_turns = handshake.flag("format_turns")
        session_id = self._new_id()
        key = handshake.headers.get("authorization", "").strip()
        return Opening(
            _config(handshake),
            lambda in_force: AssemblyAiConversation(in_force, session_id, self._clock, formats_turns),
            key.removeprefix("Bearer ") or handshake.one("token"),
            ignored=handshake.asked(IGNORED),
        )


def _config(handshake: Handshake) -> SessionConfig:
    encoding = handshake.one("encoding") or "pcm_s16le"
    if encoding not in ENCODINGS:
        raise InvalidParameter("encoding", f"encoding must be one of {', '.join(ENCODINGS)}")
    query = {"encoding": ENCODINGS[encoding], "word_timestamps": "true"}
    asked = {"sample_rate": "sample_rate", "speech_model": "model", "language": "language"}
    for theirs, ours in asked.items():
        if (text := handshake.one(theirs)) is not None:
            query[ours] = "auto" if text == "multi" else text
    silences = [handshake.number(name, 0, MAX_TURN_MS) for name in SILENCES]
    if silence := next((each for each in silences if each is not None), None):
        query["min_silence_ms"] = str(_clamped(silence))
    return replace(parse_query(query), vocabulary=make_vocabulary(_phrases(handshake)))


def _phrases(handshake: Handshake) -> list[str]:
    text = handshake.one("keyterms_prompt")
    try:
        return [] if text is None else msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, RecursionError):
        message = "keyterms_prompt must be a JSON list of phrases"
        raise InvalidParameter("keyterms_prompt", message) from None


def _clamped(milliseconds: float) -> int:
    low, high = MIN_SILENCE_MS
    return min(max(round(milliseconds), low), high)


class AssemblyAiConversation(Conversation):
    """One connection; a turn is an utterance of the session."""

    idle_s = 300.0  # Clients need not send KeepAlive.

    def __init__(
        self, config: SessionConfig, session_id: str, clock: Callable[[], float], formats_turns: bool
    ) -> None:
        self._config, self._id, self._clock = config, session_id, clock
        self._formats_turns = formats_turns
        self._begun_at = clock()
        self._seconds = 0.0
        self._turn = 0

    def greet(self) -> Actions:
        """At once: the client waits for it."""
        return [say({"type": "Begin", "id": self._id, "expires_at": int(self._begun_at) + EXPIRES_S})]

    def receive(self, frame: bytes | str) -> Actions:
        """Audio, or a message."""
        if isinstance(frame, bytes):
            self._seconds += audio_seconds(len(frame), self._config)
            return [AppendAudio(frame)]
        try:
            message = decode_object(frame)
        except UnreadableFrame:
            return ()  # Its client would take an error for the end.
        match message.get("type"):
            case "Terminate":
                return [EndSession()]
            case "ForceEndpoint":
                return [FlushSession(FORCED)]
            case "UpdateConfiguration":
                return self._update(message)
        return ()

    def _update(self, message: Mapping[str, Any]) -> Actions:
        silence = message.get("min_turn_silence")
        if (
            not isinstance(silence, int | float)
            or isinstance(silence, bool)
            or not 0 <= silence <= MAX_TURN_MS
        ):
            return ()
        self._config = replace(self._config, min_silence_ms=_clamped(silence))
        return [ChangeSession(self._config)]

    def translate(self, event: Event) -> Actions:
        """Turns, and the beginning of speech."""
        match event:
            case SpeechStart():
                return [say({"type": "SpeechStarted", "timestamp": _milliseconds(event.timestamp)})]
            case Partial() if event.text:
                return [self._say_turn(event.text, (), ends=False)]
            case FinalEvent() if event.text or event.flush_id is not None:
                said = self._say_turn(event.text, event.words or (), ends=True, language=event.language)
                self._turn += 1
                return [said]
        return ()

    def _say_turn(
        self, text: str, words: tuple[Word, ...], *, ends: bool, language: str | None = None
    ) -> SayFrame:
        message = {
            "type": "Turn",
            "turn_order": self._turn,
            "turn_is_formatted": ends and self._formats_turns,
            "end_of_turn": ends,
            "transcript": text,
            "end_of_turn_confidence": float(ends),
            "words": [_turn_word(word) for word in words if word.start is not None and word.end is not None],
        }
        return say(message if language is None else message | {"language_code": language})

    def conclude(self, outcome: SessionOutcome) -> Actions:
        """`Termination` where the client ended the session, then the close."""
        code = CloseCode.INTERNAL if outcome.code is None else outcome.code
        close = _CLOSES.get(code, CloseClient(1011, "a fault of the server"))
        if code is not CloseCode.NORMAL:
            return [close]
        lasted = round(self._clock() - self._begun_at)
        durations = {"audio_duration_seconds": round(self._seconds), "session_duration_seconds": lasted}
        return [say({"type": "Termination", **durations}), close]


def _turn_word(word: Word) -> dict[str, Any]:
    return {
        "start": _milliseconds(word.start or 0.0),
        "end": _milliseconds(word.end or 0.0),
        "confidence": 0.0 if word.confidence is None else word.confidence,
        "text": word.word,
        "word_is_final": True,
    }


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
