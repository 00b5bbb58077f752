"""Speaks Deepgram's protocol for live audio, version 1: `GET /v1/listen`."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import (
    Event,
    Partial,
    SessionBegin,
    SessionEnd,
    SpeechEnd,
    SpeechStart,
)
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.parameters import MIN_SILENCE_MS, SessionConfig
from gateway.realtime.dialects.actions import (
    Actions,
    AppendAudio,
    ChangeSession,
    EndSession,
    FlushSession,
    say,
)
from gateway.realtime.dialects.audio_clock import audio_seconds
from gateway.realtime.dialects.client_messages import UnreadableFrame, decode_object, plain_texts
from gateway.realtime.dialects.deepgram import (
    CONTAINER,
    DeepgramDialect,
    deepgram_close,
    deepgram_config,
    deepgram_language,
    takes_vocabulary,
)
from gateway.realtime.dialects.deepgram_channel import ChannelProgress
from gateway.realtime.dialects.deepgram_results import ModelDescription
from gateway.realtime.dialects.dialect import Conversation, Opening
from gateway.realtime.dialects.handshake import FALSE, TRUE, Handshake
from gateway.realtime.dialects.vocabulary import make_vocabulary
from gateway.sessions.outcome import SessionOutcome

IGNORED: Final = (
    "detect_entities",
    "diarize",
    "diarize_model",
    "dictation",
    "extra",
    "filler_words",
    "mip_opt_out",
    "no_delay",
    "numerals",
    "profanity_filter",
    "replace",
    "search",
    "tag",
    "version",
)
"""What changes nothing, and is named in the answer."""

DEFAULT_ENDPOINTING_MS: Final = 100  # Milliseconds: our shortest, where the client names none, or less.
MAX_END_MS: Final = 60_000  # Milliseconds of silence that `utterance_end_ms` may ask for.
ID_PREFIX: Final = "finalize-"


class ListenOptions:
    """What of a request is no parameter of our session."""

    def __init__(self, handshake: Handshake) -> None:
        """Raises: InvalidParameter: one has a bad value."""
        self.wants_interims = handshake.flag("interim_results")
        self.is_written = handshake.flag("punctuate") or handshake.flag("smart_format")
        self.wants_speech_start = handshake.flag("vad_events")
        self.is_multilingual = handshake.one("language") == "multi"
        self.endpointing_ms = _endpointing(handshake)
        end_ms = handshake.number("utterance_end_ms", 0, MAX_END_MS)
        self.utterance_end_s = end_ms / 1000 if end_ms else None


def _endpointing(handshake: Handshake) -> int | None:
    """Milliseconds of silence that end an utterance; None where only `Finalize` does."""
    text = (handshake.one("endpointing") or "").lower()
    if text in FALSE:
        return None
    if text in ("", TRUE[0]):
        return DEFAULT_ENDPOINTING_MS
    asked = handshake.number("endpointing", 0, 1e6) or 0.0
    low, high = MIN_SILENCE_MS
    return min(max(round(asked), low), high)


class DeepgramListen(DeepgramDialect):
    """The protocol of `/v1/listen`; `new_id` makes the ids of requests."""

    name = "deepgram"
    path = "/v1/listen"
    ignored = IGNORED

    def open(self, handshake: Handshake) -> Opening:
        """What a client asks for."""
        options = ListenOptions(handshake)
        config = deepgram_config(
            handshake,
            language=deepgram_language(handshake.all("language")),
            min_silence_ms=options.endpointing_ms or MIN_SILENCE_MS[1],
            interim_results=str(options.wants_interims).lower(),
            word_timestamps="true",
            channel_mode="separate" if handshake.flag("multichannel") else "mix",
        )
        return self.opening(
            handshake, config, lambda in_force, request_id: ListenConversation(in_force, options, request_id)
        )


class ListenConversation(Conversation):
    """One connection to `/v1/listen`."""

    idle_s = 10.0

    def __init__(self, config: SessionConfig, options: ListenOptions, request_id: str) -> None:
        self._config, self._options, self._id = config, options, request_id
        self._model = ModelDescription(request_id, config.model)
        self._sha256 = hashlib.sha256()
        self._seconds = 0.0
        self._flushes = 0
        self._takes_vocabulary = False
        count = config.channels if config.separate else 1
        self._channels = [ChannelProgress([index, count], options) for index in range(count)]
        self.ticks = options.utterance_end_s is not None

    def receive(self, frame: bytes | str) -> Actions:
        """Audio, or a message."""
        if isinstance(frame, bytes):
            return self._audio(frame)
        try:
            message = decode_object(frame)
        except UnreadableFrame as error:
            return [say({"type": "Error", "variant": "SchemaError", "description": str(error)})]
        match message.get("type"):
            case "Finalize":
                self._flushes += 1
                return [FlushSession(f"{ID_PREFIX}{self._flushes}")]
            case "CloseStream":
                return [EndSession()]
            case "Configure":
                return self._configure(message)
        return ()

    def _audio(self, data: bytes) -> Actions:
        if not data:
            return [EndSession()]
        self._sha256.update(data)
        if self._config.encoding != CONTAINER:
            self._seconds += audio_seconds(len(data), self._config)
        return [AppendAudio(data)]

    def _configure(self, message: Mapping[str, Any]) -> Actions:
        """Key terms begin with another session, where the model takes any; all else changes nothing."""
        terms = message.get("keyterms")
        if terms is None:
            return [say({"type": "ConfigureSuccess", "request_id": self._id})]
        phrases = make_vocabulary(plain_texts(terms))
        if not self._takes_vocabulary:
            failure = {"code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED", "description": "the model takes none"}
            return [say({"type": "ConfigureFailure", "request_id": self._id, **failure})]
        self._config = replace(self._config, vocabulary=phrases)
        success = {"type": "ConfigureSuccess", "request_id": self._id, "keyterms": phrases}
        return [ChangeSession(self._config), say(success)]

    def translate(self, event: Event) -> Actions:
        """Results, and the signs of speech that were asked for."""
        match event:
            case SessionBegin():
                self._takes_vocabulary = takes_vocabulary(event, self._config)
                self._model = ModelDescription(self._id, event.model or self._config.model)
            case SessionEnd() if self._config.encoding == CONTAINER:
                self._seconds = event.audio_duration or 0.0
            case SpeechStart() | SpeechEnd() | Partial() | FinalEvent():
                return self._channels[event.channel or 0].translate(event, self._model)
        return ()

    def on_heard(self, heard: float) -> Actions:
        """`UtteranceEnd`, once the silence behind the last word is long enough."""
        return [said for channel in self._channels for said in channel.on_heard(heard)]

    def conclude(self, outcome: SessionOutcome) -> Actions:
        """`Metadata` where the client ended the stream, then the close."""
        close = deepgram_close(outcome)
        return [say(self._metadata()), close] if outcome.code is CloseCode.NORMAL else [close]

    def _metadata(self) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._id,
            "sha256": self._sha256.hexdigest(),
            "created": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration": round(self._seconds, 3),
            "channels": self._config.channels,
        }
