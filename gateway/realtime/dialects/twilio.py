"""Takes the calls that Twilio sends over Media Streams: `GET /v1/twilio/media`.

Twilio counts anything that it does not expect on a stream as an error, so nothing is sent back, unless the
parameter `events=socket` asks for it. Transcripts are found in the session history.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.parameters import SessionConfig, parse_query
from gateway.realtime.dialects.actions import (
    Actions,
    AppendAudio,
    ChangeSession,
    CloseClient,
    EndSession,
    IdentifyClient,
    say,
)
from gateway.realtime.dialects.client_messages import UnreadableFrame, decode_audio, decode_object
from gateway.realtime.dialects.dialect import Conversation, Dialect, Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.sessions.outcome import SessionOutcome

ENCODINGS: Final[Mapping[str, str]] = {
    "audio/x-mulaw": "mulaw",
    "audio/x-alaw": "alaw",
    "audio/x-l16": "pcm_s16le",
}
"""The formats of Media Streams, and of others who send the same messages."""

PARAMETERS: Final = ("model", "language", "min_silence_ms", "vocabulary", "store", "enhance_on_end")
"""Custom parameters that mean what they mean in the native protocol."""

IDS: Final = ("callSid", "streamSid", "accountSid")
"""What a session is found by in the history."""

TO_SOCKET: Final = "socket"
POLICY_VIOLATION: Final = 1008


class TwilioMedia(Dialect):
    """The messages of Media Streams; the key comes in the first of them."""

    name = "twilio"
    path = "/v1/twilio/media"

    def open(self, _handshake: Handshake) -> Opening:
        """What a call is, before it says more."""
        config = SessionConfig(encoding="mulaw", sample_rate=8_000, interim_results=False)
        return Opening(config, lambda _: TwilioConversation(), identifies_later=True)


class TwilioConversation(Conversation):
    """One call."""

    idle_s = 30.0  # A call sends 50 messages a second, silence or not.

    def __init__(self) -> None:
        self._track: str | None = None  # None until the call has begun.
        self._answers = False

    def receive(self, frame: bytes | str) -> Actions:
        """A message of the call."""
        try:
            message = decode_object(frame)
            match message.get("event"):
                case "start" if self._track is None:
                    return self._start(_object(message.get("start")))
                case "media" if self._track is not None:
                    return self._media(_object(message.get("media")))
                case "stop" if self._track is not None:
                    return [EndSession()]
                case "stop":
                    return [CloseClient()]
        except UnreadableFrame:
            pass  # Nobody could be told.
        except InvalidParameter as error:
            return self.reject(error)
        return ()

    def _start(self, start: Mapping[str, Any]) -> Actions:
        custom = _object(start.get("customParameters"))
        tracks = start.get("tracks")
        self._track = str(tracks[0]) if isinstance(tracks, list) and tracks else "inbound"
        self._answers = custom.get("events") == TO_SOCKET
        token = custom.get("token")
        config = _config(start, custom, keeps=not self._answers)
        return [IdentifyClient(None if token is None else str(token)), ChangeSession(config)]

    def _media(self, media: Mapping[str, Any]) -> Actions:
        """One track is heard: the caller's, where there are both."""
        if str(media.get("track", self._track)) != self._track:
            return ()
        return [AppendAudio(decode_audio(media.get("payload")))]

    def translate(self, event: Event) -> Actions:
        """Finals, for those who ask."""
        if self._answers and isinstance(event, FinalEvent) and event.text:
            return [say({"event": "transcript", "final": True, "text": event.text, "track": self._track})]
        return ()

    def reject(self, error: InvalidParameter) -> Actions:
        """A call that asks for what can't be is over."""
        return [CloseClient(POLICY_VIOLATION, error.message[:100])]

    def conclude(self, outcome: SessionOutcome) -> Actions:
        """The close says how it ended."""
        code = CloseCode.INTERNAL if outcome.code is None else outcome.code
        return [CloseClient(int(code), "" if code is CloseCode.NORMAL else code.error)]


def _config(start: Mapping[str, Any], custom: Mapping[str, Any], *, keeps: bool) -> SessionConfig:
    """The session of a call; `keeps`: it is stored where the call does not say otherwise.

    Raises:
        InvalidParameter: a parameter or the format has a bad value.
    """
    form = _object(start.get("mediaFormat"))
    encoding = str(form.get("encoding", "audio/x-mulaw"))
    if encoding not in ENCODINGS:
        raise InvalidParameter("encoding", f"encoding must be one of {', '.join(ENCODINGS)}")
    query = {name: str(custom[name]) for name in PARAMETERS if custom.get(name) is not None}
    query["encoding"] = ENCODINGS[encoding]
    query["sample_rate"] = str(form.get("sampleRate", 8_000))
    query["channels"] = str(form.get("channels", 1))
    query["interim_results"] = "false"
    if keeps:
        query.setdefault("store", "true")
    ids = {name: str(start[name])[:100] for name in IDS if start.get(name)}
    return replace(parse_query(query), metadata=ids or None)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
