"""Raw Opus packets: as many samples as they last, and an answer to every garbage."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.audio.compressed.errors import UnreadableStream
from runtime.audio.compressed.opus_packets import MAX_BAD, OpusPackets
from tests.support.encoded_audio import opus_packets


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
@pytest.mark.parametrize("separate", [False, True])
def test_a_packet_lasts_20_ms_in_each_channel(channels: int, separate: bool) -> None:
    packets = OpusPackets(channels, channels if separate else 0)
    frames = opus_packets(channels, 0.5)
    samples = b"".join(packets.decode(frame) or b"" for frame in frames) + packets.drain()
    assert len(samples) == len(frames) * 320 * 2 * (channels if separate else 1)


def test_a_packet_that_is_none_is_left_out_and_many_in_a_row_are_refused() -> None:
    packets, good = OpusPackets(1, 0), opus_packets(seconds=0.1)
    bad = b"\xff\x3f"  # It says that it has 63 frames.
    for _ in range(2):
        assert packets.decode(good[0])
        for _ in range(MAX_BAD - 1):
            assert packets.decode(bad) is None
    with pytest.raises(UnreadableStream, match="encoding=container"):
        packets.decode(bad)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20), st.sampled_from([1, 2, 8]))
def test_no_garbage_does_harm(frames: list[bytes], channels: int) -> None:
    packets = OpusPackets(channels, 0)
    for frame in frames:
        samples = packets.decode(frame)
        assert samples is None or len(samples) <= 2 * 16_000 // 1_000 * 121
