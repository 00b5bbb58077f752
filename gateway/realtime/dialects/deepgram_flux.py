"""Speaks Deepgram's protocol for turns of a conversation, Flux: `GET /v2/listen`.

There is no model of turns here, so silence decides: the higher the threshold, the longer the silence that
ends a turn. A turn is one utterance of the session, or several where the silence between them is shorter.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import (
    Event,
    Partial,
    ServerWarning,
    SessionBegin,
    SpeechEnd,
    SpeechStart,
)
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.realtime.dialects.actions import (
    Action,
    Actions,
    AppendAudio,
    ChangeSession,
    EndSession,
    FlushSession,
    SayFrame,
    say,
)
from gateway.realtime.dialects.client_messages import UnreadableFrame, decode_object, plain_texts
from gateway.realtime.dialects.deepgram import (
    DeepgramDialect,
    deepgram_close,
    deepgram_config,
    deepgram_language,
    takes_vocabulary,
)
from gateway.realtime.dialects.dialect import Conversation, Opening
from gateway.realtime.dialects.flux_turn import FluxTurn
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.silence_timer import SilenceTimer
from gateway.realtime.dialects.turn_thresholds import TurnThresholds
from gateway.realtime.dialects.vocabulary import make_vocabulary
from gateway.sessions.outcome import SessionOutcome

IGNORED: Final = ("mip_opt_out", "numerals", "profanity_filter", "tag")
"""What changes nothing, and is named in the answer."""

FORCED: Final = "force-end-turn"


class DeepgramFlux(DeepgramDialect):
    """The protocol of `/v2/listen`; `new_id` makes the ids of requests."""

    name = "flux"
    path = "/v2/listen"
    ignored = IGNORED

    def open(self, handshake: Handshake) -> Opening:
        """What a client asks for."""
        thresholds = TurnThresholds.read(
            {name: handshake.one(name) for name in TurnThresholds.__struct_fields__}
        )
        config = deepgram_config(
            handshake,
            language=deepgram_language(handshake.all("language_hint")),
            min_silence_ms=thresholds.min_silence_ms,
            word_timestamps="true",
        )
        return self.opening(
            handshake, config, lambda in_force, request_id: FluxConversation(in_force, thresholds, request_id)
        )


class FluxConversation(Conversation):
    """One connection to `/v2/listen`."""

    idle_s = 3_600.0  # Clients send nothing while they have no audio, for as long as they like.
    ticks = True

    def __init__(self, config: SessionConfig, thresholds: TurnThresholds, request_id: str) -> None:
        self._config, self._thresholds, self._id = config, thresholds, request_id
        self._sequence = 0
        self._turn = FluxTurn()
        self._timer = SilenceTimer(thresholds.silence_s)
        self._speech_end = 0.0
        self._takes_vocabulary = False

    def greet(self) -> Actions:
        """At once, since clients wait for it."""
        return [self._say({"type": "Connected"})]

    def receive(self, frame: bytes | str) -> Actions:
        """Audio, or a message."""
        if isinstance(frame, bytes):
            return [AppendAudio(frame)]
        try:
            message = decode_object(frame)
        except UnreadableFrame as error:
            return [self._warn("UNPARSABLE_CLIENT_MESSAGE", str(error))]
        match message.get("type"):
            case "ForceEndTurn":
                return [FlushSession(FORCED)]
            case "CloseStream":
                return [EndSession()]
            case "Configure":
                return self._configure(message)
        return ()

    def _configure(self, message: Mapping[str, Any]) -> Actions:
        """What holds from the next utterance on; key terms begin with another session."""
        try:
            thresholds = self._thresholds.changed(message.get("thresholds"))
        except InvalidParameter as error:
            failure = {"code": "INVALID_VALUE", "error_code": "INVALID_VALUE", "description": error.message}
            return [self._say({"type": "ConfigureFailure", **failure})]
        self._thresholds, self._timer.length = thresholds, thresholds.silence_s
        config = replace(self._config, min_silence_ms=thresholds.min_silence_ms)
        if (hints := _texts(message.get("language_hints"))) is not None:
            config = replace(config, language=deepgram_language(hints))
        if (terms := _texts(message.get("keyterms"))) is not None and self._takes_vocabulary:
            config = replace(config, vocabulary=make_vocabulary(terms))
        changes, self._config = config != self._config, config
        success = {"thresholds": thresholds, "keyterms": config.vocabulary}
        answer = self._say({"type": "ConfigureSuccess", **success})
        return [ChangeSession(config), answer] if changes else [answer]

    def translate(self, event: Event) -> Actions:
        """The turn so far, and its end."""
        match event:
            case SessionBegin():
                self._takes_vocabulary = takes_vocabulary(event, self._config)
            case SpeechStart():
                self._timer.speak(event.timestamp)
            case SpeechEnd():
                self._speech_end = event.timestamp
            case Partial() if event.text:
                return self._partial(event)
            case FinalEvent():
                return self._final(event)
            case ServerWarning():
                return [self._warn(event.code.upper(), event.message)]
        return ()

    def _partial(self, event: Partial) -> Actions:
        resumes = self._turn.is_eager
        begins = self._turn.show(event)
        name = "StartOfTurn" if begins else "TurnResumed" if resumes else "Update"
        return [self._say_turn(name, 0.0)]

    def _final(self, event: FinalEvent) -> Actions:
        if not event.text:
            self._timer.forget_speech()
            return self._end_turn("manual") if event.flush_id is not None else ()
        begins = self._turn.add(event)
        said: list[Action] = [self._say_turn("StartOfTurn", 0.0)] if begins else []
        if event.flush_id is not None:
            return [*said, *self._end_turn("manual")]
        end = self._turn.end
        if self._speech_end < end:  # It was cut at the longest utterance, and goes on.
            return [*said, self._say_turn("Update", 0.0)]
        if self._thresholds.ends_with_utterance:
            return [*said, *self._end_turn(self._thresholds.trigger)]
        self._timer.start(end)
        if self._thresholds.eager_eot_threshold is not None and self._timer.is_running:
            self._turn.is_eager = True
            return [*said, self._say_turn("EagerEndOfTurn", self._thresholds.eager_confidence)]
        return [*said, self._say_turn("Update", 0.0)]

    def on_heard(self, heard: float) -> Actions:
        """The end of the turn, once the silence is long enough."""
        return self._end_turn(self._thresholds.trigger) if self._timer.is_due(heard) is not None else ()

    def _end_turn(self, trigger: str) -> list[Action]:
        """The end of an open turn, and nothing where none is open."""
        self._timer.stop()
        if not self._turn.text:
            return []
        ended = self._say_turn("EndOfTurn", 1.0, trigger=trigger)
        self._turn = self._turn.following()
        return [ended]

    def conclude(self, outcome: SessionOutcome) -> Actions:
        """What was open ends as well, and then the connection."""
        if outcome.code is CloseCode.NORMAL:
            return [*self._end_turn("manual"), deepgram_close(outcome)]
        if outcome.code is CloseCode.INTERNAL and outcome.event is not None:
            error = {"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": outcome.event.message}
            return [self._say(error), deepgram_close(outcome)]
        return [deepgram_close(outcome)]

    def _say_turn(self, name: str, confidence: float, **more: str) -> SayFrame:
        turn = {"event": name, **self._turn.fields(), "end_of_turn_confidence": confidence}
        return self._say({"type": "TurnInfo", **turn, **more})

    def _warn(self, code: str, description: str) -> SayFrame:
        return self._say({"type": "Warning", "code": code, "description": description})

    def _say(self, message: dict[str, Any]) -> SayFrame:
        number, self._sequence = self._sequence, self._sequence + 1
        return say(message | {"sequence_id": number, "request_id": self._id})


def _texts(value: Any) -> tuple[str, ...] | None:
    return plain_texts(value) if isinstance(value, list) else None
