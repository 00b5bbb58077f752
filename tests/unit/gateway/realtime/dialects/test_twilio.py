"""Media Streams as frames in and out: a call begins, is heard, and tells nobody who did not ask."""

import base64
from typing import Any

import msgspec
import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import Final, Partial
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.realtime.dialects.actions import AppendAudio, ChangeSession, EndSession, IdentifyClient
from gateway.realtime.dialects.dialect import Conversation
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.track_mixer import TrackMixer
from gateway.realtime.dialects.twilio import TwilioMedia
from gateway.sessions.outcome import SessionOutcome
from tests.support.dialect_clients import told

MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
IDS = {"callSid": "CA1", "streamSid": "MZ1", "accountSid": "AC1"}
PAYLOAD = base64.b64encode(b"\xff" * 160).decode()


def conversation() -> Conversation:
    """A connection."""
    asked = TwilioMedia().open(Handshake())
    assert asked.identifies_later
    return asked.begin(asked.config)


def hear(spoken: Conversation, message: Any) -> list[Any]:
    """What a message leads to."""
    return told(spoken.receive(msgspec.json.encode(message).decode()))


def start(custom: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The first message of a call."""
    about = {**IDS, "tracks": ["inbound"], "mediaFormat": MULAW, "customParameters": custom or {}}
    return {"event": "start", "start": about | more}


def test_a_call_is_identified_and_kept() -> None:
    spoken = conversation()
    assert hear(spoken, {"event": "connected", "protocol": "Call"}) == []
    config = SessionConfig(
        encoding="mulaw",
        sample_rate=8_000,
        interim_results=False,
        language="en",
        store=True,
        metadata=IDS,
    )
    assert hear(spoken, start({"token": "K", "language": "en-US"})) == [
        IdentifyClient("K"),
        ChangeSession(config),
    ]
    media = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": PAYLOAD}
    assert hear(spoken, {"event": "media", "media": media}) == [AppendAudio(b"\xff" * 160)]
    other = {"event": "media", "media": media | {"track": "outbound"}}
    assert hear(spoken, other) == [AppendAudio(b"")]  # A track that the call has not named.
    assert hear(spoken, {"event": "mark"}) == hear(spoken, {"event": "dtmf"}) == []
    assert told(spoken.translate(Final(text="Hello."))) == []
    assert hear(spoken, {"event": "stop", "stop": {}}) == [AppendAudio(b""), EndSession()]
    assert told(spoken.conclude(SessionOutcome(CloseCode.NORMAL))) == [(1000, "")]


def test_transcripts_come_back_where_they_are_asked_for() -> None:
    spoken = conversation()
    _, change = hear(spoken, start({"events": "socket"}))
    assert change.config.store is None
    assert told(spoken.translate(Partial(text="Hel"))) == told(spoken.translate(Final(text=""))) == []
    said = {"event": "transcript", "final": True, "text": "Hello.", "track": "inbound"}
    assert told(spoken.translate(Final(text="Hello."))) == [said]


@pytest.mark.parametrize(
    "more",
    [
        {"mediaFormat": {"encoding": "audio/opus"}},
        {"mediaFormat": MULAW | {"sampleRate": "fast"}},
        {"customParameters": {"language": "e"}},
        {"customParameters": {"min_silence_ms": {}}},
    ],
)
def test_a_call_that_asks_for_what_cannot_be_is_over(more: dict[str, Any]) -> None:
    ((code, reason),) = hear(conversation(), start(**more))
    assert code == 1008
    assert "must be" in reason


@pytest.mark.parametrize(
    "message",
    [
        {"event": "media", "media": {"payload": PAYLOAD}},  # Before the start.
        {"event": "media"},
        {"event": 7},
        {},
        [],
        "text",
    ],
)
def test_what_comes_before_the_start_is_not_heard(message: Any) -> None:
    assert hear(conversation(), message) == []


@pytest.mark.parametrize("payload", ["!", 7, None, ["x"], {}])
def test_a_payload_that_cannot_be_read_is_left_out(payload: Any) -> None:
    spoken = conversation()
    hear(spoken, start(customParameters=None, tracks=None, mediaFormat=7))
    heard = hear(spoken, {"event": "media", "media": {"payload": payload}})
    assert heard in ([], [AppendAudio(b"")])


def test_a_call_that_stops_before_it_begins_is_closed() -> None:
    assert hear(conversation(), {"event": "stop"}) == [(1000, "")]


def test_a_second_start_changes_nothing() -> None:
    spoken = conversation()
    hear(spoken, start())
    assert hear(spoken, start({"token": "other"})) == []


def test_the_close_says_how_a_call_ended() -> None:
    ended = told(conversation().conclude(SessionOutcome.error(CloseCode.UNAUTHORIZED, "no")))
    assert ended == [(4001, "unauthorized")]


def test_both_tracks_are_heard_apart() -> None:
    spoken = conversation()
    _, change = hear(spoken, start({"events": "socket"}, tracks=["inbound", "outbound"]))
    assert (change.config.channels, change.config.channel_mode) == (2, "separate")

    def media(track: str, samples: bytes) -> Any:
        payload = base64.b64encode(samples).decode()
        return hear(spoken, {"event": "media", "media": {"track": track, "payload": payload}})

    assert media("inbound", b"ab") == [AppendAudio(b"")]
    assert media("outbound", b"xyz") == [AppendAudio(b"axby")]
    assert hear(spoken, {"event": "stop"}) == [AppendAudio(b"\xffz"), EndSession()]
    said = told(spoken.translate(Final(text="Hello.", channel=1)))
    assert [each["track"] for each in said] == ["outbound"]


@pytest.mark.parametrize(
    ("silence", "first", "second", "mixed"),
    [
        (b"-", b"abc", b"", b"a-b-"),  # At most one sample behind: the third one waits.
        (b"-", b"abc", b"x", b"axb-"),
        (b"..", b"aabbcc", b"xx", b"aaxxbb.."),
    ],
)
def test_a_track_that_is_far_behind_is_filled_up(
    silence: bytes, first: bytes, second: bytes, mixed: bytes
) -> None:
    mixer = TrackMixer(("one", "two"), silence, 1)
    assert mixer.append("two", second) + mixer.append("one", first) == mixed
    assert mixer.append("three", b"x") == b""
    assert len(mixer.drain()) == 2 * len(silence)
    assert mixer.drain() == b""
