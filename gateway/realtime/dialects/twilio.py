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
from gateway.realtime.dialects.client_messages import (
    MAX_SHOWN_TEXT,
    UnreadableFrame,
    decode_audio,
    decode_object,
    plain_text,
    plain_texts,
)
from gateway.realtime.dialects.dialect import Conversation, Dialect, Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.track_mixer import TrackMixer
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

SILENCES: Final[Mapping[str, bytes]] = {"mulaw": b"\xff", "alaw": b"\xd5", "pcm_s16le": bytes(2)}
"""One silent sample of each encoding."""

MAX_TRACKS: Final = 2  # Tracks of a call: who called, and who answers.
MOST_BEHIND_S: Final = 0.5  # Seconds by which one track may be behind the other, before it is filled up.

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
        self._mixer: TrackMixer | None = None  # None until the call has begun.
        self._answers = False

    def receive(self, frame: bytes | str) -> Actions:
        """A message of the call."""
        try:
            message = decode_object(frame)
            match message.get("event"):
                case "start" if self._mixer is None:
                    return self._start(_object(message.get("start")))
                case "media" if self._mixer is not None:
                    return self._media(self._mixer, _object(message.get("media")))
                case "stop" if self._mixer is not None:
                    return [AppendAudio(self._mixer.drain()), EndSession()]
                case "stop":
                    return [CloseClient()]
        except UnreadableFrame:
            pass  # Nobody could be told.
        except InvalidParameter as error:
            return self.reject(error)
        return ()

    def _start(self, start: Mapping[str, Any]) -> Actions:
        custom = _object(start.get("customParameters"))
        tracks = _tracks(start.get("tracks"))
        self._answers = custom.get("events") == TO_SOCKET
        config = _config(start, custom, len(tracks), keeps=not self._answers)
        self._mixer = TrackMixer(tracks, SILENCES[config.encoding], round(config.sample_rate * MOST_BEHIND_S))
        return [IdentifyClient(plain_text(custom.get("token"))), ChangeSession(config)]

    def _media(self, mixer: TrackMixer, media: Mapping[str, Any]) -> Actions:
        """Audio of one of the tracks that the call has named."""
        track = plain_text(media.get("track")) or mixer.tracks[0]
        return [AppendAudio(mixer.append(track, decode_audio(media.get("payload"))))]

    def translate(self, event: Event) -> Actions:
        """Finals, for those who ask."""
        if self._mixer is None or not self._answers or not isinstance(event, FinalEvent) or not event.text:
            return ()
        track = self._mixer.tracks[event.channel or 0]
        return [say({"event": "transcript", "final": True, "text": event.text, "track": track})]

    def reject(self, error: InvalidParameter) -> Actions:
        """A call that asks for what can't be is over."""
        return [CloseClient(POLICY_VIOLATION, error.message[:100])]

    def conclude(self, outcome: SessionOutcome) -> Actions:
        """The close says how it ended."""
        code = CloseCode.INTERNAL if outcome.code is None else outcome.code
        return [CloseClient(int(code), "" if code is CloseCode.NORMAL else code.error)]


def _tracks(named: Any) -> tuple[str, ...]:
    """The tracks of a call, each of which is transcribed by itself."""
    tracks = dict.fromkeys(plain_texts(named))
    return tuple(tracks)[:MAX_TRACKS] or ("inbound",)


def _config(
    start: Mapping[str, Any], custom: Mapping[str, Any], tracks: int, *, keeps: bool
) -> SessionConfig:
    """The session of a call; `keeps`: it is stored where the call does not say otherwise.

    Raises:
        InvalidParameter: a parameter or the format has a bad value.
    """
    form = _object(start.get("mediaFormat"))
    encoding = plain_text(form.get("encoding")) or "audio/x-mulaw"
    if encoding not in ENCODINGS:
        raise InvalidParameter("encoding", f"encoding must be one of {', '.join(ENCODINGS)}")
    query = {name: plain_text(custom[name]) or "" for name in PARAMETERS if custom.get(name) is not None}
    query["encoding"] = ENCODINGS[encoding]
    query["sample_rate"] = plain_text(form.get("sampleRate")) or "8000"
    query["channels"] = str(tracks)
    query["channel_mode"] = "separate" if tracks > 1 else "mix"
    query["interim_results"] = "false"
    if keeps:
        query.setdefault("store", "true")
    ids = {name: text[:MAX_SHOWN_TEXT] for name in IDS if (text := _printable(start.get(name)))}
    return replace(parse_query(query), metadata=ids or None)


def _printable(value: Any) -> str:
    """A value as text without characters that nobody sees, of which databases do not keep all."""
    return "".join(char for char in plain_text(value) or "" if char.isprintable())


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
