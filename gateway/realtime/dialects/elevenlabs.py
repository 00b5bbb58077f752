"""Speaks ElevenLabs' protocol for live audio: `GET /v1/speech-to-text/realtime`."""

import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event, Partial, Word
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.parameters import MIN_SILENCE_MS, SessionConfig, parse_query
from gateway.realtime.dialects.actions import (
    Action,
    Actions,
    AppendAudio,
    CloseClient,
    FlushSession,
    SayFrame,
    say,
)
from gateway.realtime.dialects.client_messages import UnreadableFrame, decode_audio, decode_object
from gateway.realtime.dialects.dialect import Conversation, Dialect, Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.held_finals import HeldFinals
from gateway.realtime.dialects.vocabulary import make_vocabulary
from gateway.sessions.outcome import SessionOutcome

FORMATS: Final[Mapping[str, tuple[str, int]]] = {
    **{f"pcm_{rate}": ("pcm_s16le", rate) for rate in (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)},
    "ulaw_8000": ("mulaw", 8_000),
}
"""ElevenLabs' names of the formats, with our encoding and the rate in Hz."""

DEFAULT_FORMAT: Final = "pcm_16000"
STRATEGIES: Final[Mapping[str, str]] = {"manual": "manual", "vad": "vad", "turn_prediction": "vad"}
"""Who decides when text is committed, as the client asks, and as it is done."""

IGNORED: Final = (
    "entity_detection",
    "filter_background_audio",
    "min_silence_duration_ms",
    "min_speech_duration_ms",
    "no_verbatim",
    "vad_threshold",
)
"""What changes nothing, and is named in the answer."""

REFUSED: Final = ("entity_redaction", "transcript_edit")
VAD_SILENCE_S: Final = 1.5  # Seconds of silence that end an utterance, where the client names none.
MAX_SILENCE_S: Final = 3_600.0  # Seconds that a client may name; the protocol's longest counts.

_CLOSES: Final[Mapping[CloseCode, tuple[str | None, CloseClient]]] = {
    CloseCode.NORMAL: (None, CloseClient(1000, "")),
    CloseCode.IDLE_TIMEOUT: (None, CloseClient(1000, "nothing came for long")),
    CloseCode.RESTARTING: (None, CloseClient(1012, "the server is going away")),
    CloseCode.NO_CAPACITY: (None, CloseClient(1013, "no slot is free")),
    CloseCode.LAG_EXCEEDED: ("queue_overflow", CloseClient(1013, "the results fell too far behind")),
    CloseCode.SESSION_TOO_LONG: ("session_time_limit_exceeded", CloseClient(1000, "")),
    CloseCode.TOO_MANY_SESSIONS: ("rate_limited", CloseClient(1013, "a limit of this key is reached")),
    CloseCode.INVALID_REQUEST: ("input_error", CloseClient(1008, "the data can't be read")),
    CloseCode.UNAUTHORIZED: ("auth_error", CloseClient(1008, "the key is not valid")),
    CloseCode.FORBIDDEN: ("auth_error", CloseClient(1008, "the key may not do this")),
}
_FAULT: Final = ("transcriber_error", CloseClient(1011, "a fault of the server"))


class ElevenLabsRealtime(Dialect):
    """The protocol of `/v1/speech-to-text/realtime`; `new_id` makes the ids of sessions."""

    name = "elevenlabs"
    path = "/v1/speech-to-text/realtime"

    def __init__(self, new_id: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        self._new_id = new_id

    def open(self, handshake: Handshake) -> Opening:
        """What a client asks for."""
        for name in handshake.asked(REFUSED):
            raise InvalidParameter(name, f"{name} is not supported: the text would be shown as it is")
        asked = CommitOptions(handshake)
        session_id = self._new_id()
        return Opening(
            _config(handshake, asked),
            lambda in_force: ElevenLabsConversation(in_force, asked, session_id),
            handshake.headers.get("xi-api-key") or handshake.one("token"),
            ignored=handshake.asked(IGNORED),
        )


class CommitOptions:
    """What of a request is no parameter of our session."""

    def __init__(self, handshake: Handshake) -> None:
        """Raises: InvalidParameter: one has a bad value."""
        self.audio_format = _choice(handshake, "audio_format", FORMATS, DEFAULT_FORMAT)
        strategy = _choice(handshake, "commit_strategy", STRATEGIES, "manual")
        self.is_manual = STRATEGIES[strategy] == "manual"
        self.wants_times = handshake.flag("include_timestamps")
        self.wants_language = handshake.flag("include_language_detection")


def _choice(handshake: Handshake, name: str, known: Mapping[str, Any], default: str) -> str:
    text = handshake.one(name) or default
    if text not in known:
        raise InvalidParameter(name, f"{name} must be one of {', '.join(known)}, not {text[:40]!r}")
    return text


def _config(handshake: Handshake, asked: CommitOptions) -> SessionConfig:
    encoding, rate = FORMATS[asked.audio_format]
    query = {"encoding": encoding, "sample_rate": str(rate)}
    query["word_timestamps"] = str(asked.wants_times).lower()
    if model := handshake.one("model_id"):
        query["model"] = model
    if (language := handshake.one("language_code")) and not handshake.asked(("secondary_languages",)):
        query["language"] = language
    if not asked.is_manual:
        silence = handshake.number("vad_silence_threshold_secs", 0, MAX_SILENCE_S) or VAD_SILENCE_S
        low, high = MIN_SILENCE_MS
        query["min_silence_ms"] = str(min(max(round(silence * 1000), low), high))
    if not handshake.flag("enable_logging", default=True):
        query["store"] = "false"
    return replace(parse_query(query), vocabulary=make_vocabulary(handshake.all("keyterms")))


class ElevenLabsConversation(Conversation):
    """One connection; where the client commits by itself, finals are held until then."""

    max_frame = 2 << 20  # Bytes: 1 MiB of audio in base64, and some more.

    def __init__(self, config: SessionConfig, asked: CommitOptions, session_id: str) -> None:
        self._config, self._asked, self._id = config, asked, session_id
        self._held = HeldFinals()
        self._commits = 0

    def greet(self) -> Actions:
        """What is in force, at once."""
        return [say({"message_type": "session_started", "session_id": self._id, "config": self._in_force()})]

    def _in_force(self) -> dict[str, Any]:
        config, asked = self._config, self._asked
        found: dict[str, Any] = {
            "sample_rate": config.sample_rate,
            "audio_format": asked.audio_format,
            "commit_strategy": "manual" if asked.is_manual else "vad",
            "model_id": config.model,
            "include_timestamps": asked.wants_times,
            "include_language_detection": asked.wants_language,
            "keyterms": config.vocabulary,
            "enable_logging": config.store is not False,
        }
        if config.language != "auto":
            found["language_code"] = config.language
        if not asked.is_manual:
            found["vad_silence_threshold_secs"] = float(config.min_silence_ms) / 1000
        return found

    def receive(self, frame: bytes | str) -> Actions:
        """Audio in base64, and perhaps a commit behind it."""
        try:
            message = decode_object(frame)
            audio = decode_audio(message.get("audio_base_64"))
        except UnreadableFrame as error:
            return [_error("invalid_request", str(error))]
        actions: list[Action] = [AppendAudio(audio)] if audio else []
        if message.get("commit") is True:
            self._commits += 1
            actions.append(FlushSession(f"commit-{self._commits}"))
        return actions

    def translate(self, event: Event) -> Actions:
        """Text that may still change, and text that was committed."""
        if isinstance(event, Partial) and event.text:
            return [say({"message_type": "partial_transcript", "text": self._held.show(event)})]
        if not isinstance(event, FinalEvent):
            return ()
        self._held.hold(event)
        answers = event.flush_id is not None
        return self._commit() if answers or (event.text and not self._asked.is_manual) else ()

    def _commit(self) -> Actions:
        released = self._held.release()
        said = [say({"message_type": "committed_transcript", "text": released.text})]
        if self._asked.wants_times or self._asked.wants_language:
            said.append(self._with_timestamps(released))
        return said

    def _with_timestamps(self, released: HeldFinals) -> SayFrame:
        message: dict[str, Any] = {
            "message_type": "committed_transcript_with_timestamps",
            "text": released.text,
        }
        language = next((final.language for final in reversed(released.finals) if final.language), None)
        if language is not None:
            message["language_code"] = language
        if self._asked.wants_times:
            message["words"] = elevenlabs_words(released.words)
        return say(message)

    def conclude(self, outcome: SessionOutcome) -> Actions:
        """An error where the client should know more than the close says."""
        code = CloseCode.INTERNAL if outcome.code is None else outcome.code
        error, close = _CLOSES.get(code, _FAULT)
        if error is None:
            return [close]
        return [_error(error, outcome.event.message if outcome.event else error), close]


def elevenlabs_words(words: tuple[Word, ...]) -> list[dict[str, Any]]:
    """The words, with the spaces between them."""
    found: list[dict[str, Any]] = []
    for word in words:
        if found:
            found.append({"text": " ", "type": "spacing"})
        about = {"start": word.start, "end": word.end, "logprob": _logprob(word)}
        known = {name: value for name, value in about.items() if value is not None}
        found.append({"text": word.word, "type": "word", **known})
    return found


def _logprob(word: Word) -> float | None:
    return round(math.log(word.confidence), 4) if word.confidence else None


def _error(kind: str, message: str) -> SayFrame:
    return say({"message_type": kind, "error": message})
