"""What a gateway keeps of a client's stream: whole samples, in order, from where a worker has to go on."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.checkpoint_record import (
    HEADER,
    VERSION,
    CheckpointHeader,
    ContinuityState,
    decode_checkpoint,
    encode_header,
)
from dalston_realtime.protocol.audio import MAX_FRAME_BYTES
from dalston_realtime.protocol.commands import MAX_TEXT, BadCommand
from dalston_realtime.protocol.parameters import CHANNELS, SAMPLE_RATES, SessionConfig
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.replay.replay_buffer import LIMIT_BYTES, MAX_ENTRIES, ReplayBuffer
from gateway.sessions.replay.replay_entries import AudioSegment, ControlMessage
from runtime.worker_link import ClientPresence, decode_gateway_message, encode

RATE = 8_000


def buffer(limit_s: float = 60.0, changes: ChangeSet | None = None) -> ReplayBuffer:
    """A buffer of 16-bit mono at 8 kHz."""
    return ReplayBuffer(SessionConfig(sample_rate=RATE), changes or ChangeSet(), limit_s)


def kept(replay: ReplayBuffer) -> list[bytes | str]:
    """What a new worker would get."""
    entries = map(replay.entries.get, range(replay.entries.first(), replay.entries.next))
    return [e.data if isinstance(e, AudioSegment) else e.text for e in entries if e is not None]


def audio(replay: ReplayBuffer) -> bytes:
    """The audio alone."""
    return b"".join(item for item in kept(replay) if isinstance(item, bytes))


def said(**message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


def read(item: bytes | str) -> Any:
    """What a message says, in whatever order."""
    return json.loads(item) if isinstance(item, str) else item


KEEPALIVE = said(type="keepalive")
CONFIG = said(type="config", language="en")


def test_a_sample_that_is_not_complete_waits_for_its_other_half() -> None:
    mine = buffer()
    mine.store_audio(b"\x01\x02\x03")
    assert kept(mine) == [b"\x01\x02"]
    mine.store_audio(b"\x04")
    assert audio(mine) == b"\x01\x02\x03\x04"


def test_half_a_sample_of_a_lost_connection_is_sent_again_by_the_client() -> None:
    mine = buffer()
    mine.store_audio(b"\x01\x02\x03")
    mine.drop_partial_sample()
    mine.store_audio(b"\x03\x04")
    assert audio(mine) == b"\x01\x02\x03\x04"
    assert mine.seconds == 2 / RATE


def test_what_is_settled_is_forgotten_to_the_sample_and_the_clock_knows() -> None:
    mine = buffer()
    data = bytes(range(200)) * 80  # one second
    mine.store_audio(data)
    mine.trim_before(0.25)
    assert audio(mine) == data[RATE // 2 :]
    assert (mine.start, mine.clock) == (RATE // 4, 4_000)
    mine.trim_before(0.1)
    assert mine.start == RATE // 4
    mine.trim_before(7.0)
    assert (mine.start, audio(mine)) == (RATE, b"")


def test_an_unanswered_flush_outlives_the_audio_before_it_and_an_answered_one_does_not() -> None:
    mine = buffer()
    for name in ("a", "b"):
        mine.store_audio(bytes(RATE))
        mine.store_control(said(type="flush", id=name))
    mine.store_audio(bytes(RATE))
    mine.trim_before(1.2)
    assert [item for item in kept(mine) if isinstance(item, str)] == [
        said(type="flush", id="a"),
        said(type="flush", id="b"),
    ]
    mine.entries.flush_answered("a")
    assert [item for item in kept(mine) if isinstance(item, str)] == [said(type="flush", id="b")]


def test_a_change_of_the_settings_counts_for_what_follows_even_when_it_is_forgotten() -> None:
    mine = buffer()
    mine.store_control(said(type="config", min_silence_ms=700))
    mine.store_audio(bytes(RATE))
    mine.store_control(said(type="config", language="en"))
    mine.store_audio(bytes(RATE))
    mine.trim_before(0.1)
    assert (mine.config.min_silence_ms, mine.config.language) == (700, "auto")
    assert said(type="config", language="en") in kept(mine)


def test_a_silence_that_follows_the_text_is_such_a_change() -> None:
    mine = buffer()
    mine.store_control(said(type="config", min_silence_ms="auto"))
    mine.store_audio(bytes(RATE))
    mine.trim_before(0.1)
    assert mine.config.min_silence_ms == "auto"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        said(type="keepalive"),
        said(type="flush", id=7),
        said(type="config", min_silence_ms=1),
        said(type="config", min_silence_ms=500, sample_rate=8_000),
    ],
)
def test_what_does_nothing_reaches_one_worker_only(text: str) -> None:
    mine = buffer()
    mine.store_control(text)
    entry = mine.entries.get(0)
    assert isinstance(entry, ControlMessage)
    assert entry.text == text
    mine.entries.mark_sent(0)
    assert kept(mine) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"presence","present":false}',
        ' { "present" : true, "type" : "presence" } ',
        encode(ClientPresence(present=False)),
    ],
)
def test_of_its_presence_a_client_can_not_speak_itself(text: str) -> None:
    mine = buffer()
    mine.store_control(text)
    assert kept(mine) == ["{}"]  # which the worker answers as it does what is no message


def test_the_end_is_kept_to_the_last() -> None:
    mine = buffer()
    mine.store_audio(bytes(RATE))
    mine.store_control(said(type="end"))
    mine.entries.mark_sent(1)
    mine.trim_before(9.0)
    assert kept(mine) == [said(type="end")]
    assert mine.ended


def test_more_than_the_limit_is_dropped_and_said() -> None:
    mine = buffer(limit_s=2.0)
    assert mine.store_audio(bytes(2 * RATE * 2)) == 0.0
    assert mine.store_audio(bytes(RATE)) == 0.5
    assert (mine.end - mine.start) / RATE == 2.0


def test_no_entry_is_too_large_for_a_worker_at_the_highest_rate_and_none_lacks_a_byte() -> None:
    config = SessionConfig(sample_rate=SAMPLE_RATES[1], channels=CHANNELS[1], encoding="pcm_f32le")
    mine = ReplayBuffer(config, ChangeSet())
    data = bytes(range(251)) * 48_000  # two seconds, less a little
    for part in (data[:5], data[5 : MAX_FRAME_BYTES + 5], data[MAX_FRAME_BYTES + 5 :]):
        mine.store_audio(part)
    assert max(map(len, kept(mine))) <= MAX_FRAME_BYTES
    assert audio(mine) == data
    assert mine.end == len(data) // (4 * CHANNELS[1])


def test_a_minute_is_kept_at_the_highest_rate_too() -> None:
    config = SessionConfig(sample_rate=SAMPLE_RATES[1])
    mine = ReplayBuffer(config, ChangeSet())
    assert sum(mine.store_audio(bytes(SAMPLE_RATES[1] * 2)) for _ in range(61)) == 1.0
    assert mine.clock == 16_000


def test_a_flood_of_changes_is_one_entry_with_all_of_them() -> None:
    changes = ChangeSet()
    mine = buffer(changes=changes)
    for ms in range(100, 1_100):
        mine.store_control(said(type="config", min_silence_ms=ms) + " " * 500)
        mine.store_control(CONFIG)
        mine.store_control(KEEPALIVE)
        mine.entries.mark_sent(mine.entries.next - 1)
    assert kept(mine) == [said(type="config", min_silence_ms=1_099, language="en")]
    assert list(changes.fields) == [f"c{mine.entries.first()}"]
    mine.store_audio(bytes(2))
    mine.store_control(said(type="config", language="auto"))
    assert kept(mine)[2:] == [said(type="config", language="auto")]


def test_what_is_too_long_is_no_message() -> None:
    changes = ChangeSet()
    mine = buffer(changes=changes)
    mine.store_control(said(type="end", padding="x" * MAX_TEXT))
    assert not mine.ended
    assert [len(item) for item in kept(mine)] == [MAX_TEXT + 1]  # which the worker refuses
    assert changes.fields == {}


def test_samples_one_by_one_are_as_few_as_may_be() -> None:
    mine = buffer()
    lost = sum(mine.store_audio(bytes(2)) for _ in range(MAX_ENTRIES + 10))
    assert round(lost * RATE) == 10
    assert len(kept(mine)) == MAX_ENTRIES
    assert mine.end - mine.start == MAX_ENTRIES


def test_a_change_behind_the_last_sample_is_not_forgotten_with_it() -> None:
    mine = buffer()
    mine.store_audio(bytes(RATE))
    mine.store_control(CONFIG)
    mine.trim_before(9.0)
    assert kept(mine) == [CONFIG]  # the worker may not have got it yet


def test_flushes_without_an_answer_are_counted() -> None:
    mine = buffer()
    for name in ("a", "b", "a"):
        mine.store_control(said(type="flush", id=name))
    mine.entries.mark_sent(0)
    assert (mine.entries.open_flushes, mine.entries.unsent_controls) == (3, 2)
    mine.entries.flush_answered("a")
    assert mine.entries.open_flushes == 2
    assert kept(mine) == [said(type="flush", id="b"), said(type="flush", id="a")]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=4_000),
            st.floats(0, 2).map(lambda seconds: ("forget", seconds)),
            st.integers(0, 20).map(lambda number: ("sent", number)),
            st.sampled_from([said(type="flush", id="x"), KEEPALIVE, said(type="end"), CONFIG]),
            st.sampled_from([300, 400, 500]).map(lambda ms: said(type="config", min_silence_ms=ms)),
        ),
        max_size=40,
    )
)
def test_what_is_kept_is_the_end_of_the_stream_and_another_gateway_restores_it(steps: list[Any]) -> None:
    changes = ChangeSet()
    mine, whole = buffer(changes=changes), b""
    for step in steps:
        match step:
            case bytes():
                mine.store_audio(step)
                whole += step
            case str():
                mine.store_control(step)
            case "forget", seconds:
                mine.trim_before(seconds)
            case "sent", number:
                mine.entries.mark_sent(number)
    complete = whole[: len(whole) // 2 * 2]
    assert audio(mine) == complete[2 * mine.start :]
    assert mine.end == len(complete) // 2
    header = CheckpointHeader(
        version=VERSION,
        principal="key_1",
        token="0f",
        requested=mine.config,
        config=mine.config,
        first_frame=mine.start,
        ended=mine.ended,
        messages=0,
        continuity=ContinuityState(),
    )
    checkpoint = decode_checkpoint(changes.fields | {HEADER: encode_header(header)})
    again = ReplayBuffer.restore(checkpoint, ChangeSet(dict(changes.fields)))
    assert list(map(read, kept(again))) == [read(item) for item in kept(mine) if item != KEEPALIVE]
    assert (again.start, again.end, again.ended) == (mine.start, mine.end, mine.ended)


@given(st.text(max_size=60) | st.sampled_from(['{"type":"flush","type":"presence","present":true}', "{}"]))
def test_no_text_of_a_client_is_presence_for_the_worker(text: str) -> None:
    mine = buffer()
    mine.store_control(text)
    (sent,) = kept(mine)
    assert isinstance(sent, str)
    with contextlib.suppress(BadCommand):
        assert not isinstance(decode_gateway_message(sent), ClientPresence)


def test_what_is_kept_is_bounded_in_bytes_whatever_the_format() -> None:
    config = SessionConfig(encoding="pcm_f32le", sample_rate=192_000, channels=8)
    replay = ReplayBuffer(config, ChangeSet())
    for _ in range(40):
        replay.store_audio(bytes(1 << 20))
    assert sum(len(entry) for entry in kept(replay)) <= LIMIT_BYTES
    assert replay.end == 40 << 20 >> 5


def test_two_channels_of_floats_at_48_khz_are_kept_for_a_minute() -> None:
    config = SessionConfig(encoding="pcm_f32le", sample_rate=48_000, channels=2)
    replay = ReplayBuffer(config, ChangeSet())
    assert not any(replay.store_audio(bytes(384_000)) for _ in range(60))
    assert replay.store_audio(bytes(384_000)) > 0
