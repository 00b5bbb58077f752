"""Checks that whatever arrived, the rest is sent once more and in order."""

from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.client.connection.send_buffer import SendBuffer

FRAMES = st.lists(
    st.one_of(st.binary(min_size=2, max_size=60), st.sampled_from(["flush", "end"])), max_size=30
)


def sent_all(sent: SendBuffer) -> list[bytes | str]:
    """Send all that waits."""
    frames = []
    while (frame := sent.peek()) is not None:
        frames.append(frame)
        sent.mark_sent()
    return frames


def joined(frames: list[bytes | str]) -> list[bytes | str]:
    """Audio frames side by side as one."""
    whole: list[bytes | str] = []
    for frame in frames:
        if whole and isinstance(frame, bytes) and isinstance(whole[-1], bytes):
            whole[-1] += frame
        else:
            whole.append(frame)
    return whole


@given(FRAMES, st.integers(0, 30), st.integers(0, 30))
def test_a_cut_anywhere_loses_nothing_and_repeats_nothing(
    frames: list[bytes | str], handed_over: int, arrived: int
) -> None:
    sent = SendBuffer(bytes_per_second=32_000, sample_bytes=2)
    for frame in frames:
        sent.append(frame)
    for _ in range(min(handed_over, len(frames))):
        sent.mark_sent()
    there = frames[: min(arrived, handed_over, len(frames))]
    size = sum(len(f) for f in there if isinstance(f, bytes)) // 2 * 2
    received = b"".join(f for f in frames if isinstance(f, bytes))[:size]
    assert sent.rewind(size / 32_000, sum(isinstance(f, str) for f in there))
    again = sent_all(sent)
    assert received + b"".join(f for f in again if isinstance(f, bytes)) == b"".join(
        f for f in frames if isinstance(f, bytes)
    )
    texts = [f for f in there if isinstance(f, str)] + [f for f in again if isinstance(f, str)]
    assert texts == [f for f in frames if isinstance(f, str)]
    if size == sum(len(f) for f in there if isinstance(f, bytes)):
        assert joined([*there, *again]) == joined(frames)


def test_a_server_that_lost_more_than_is_kept_can_not_go_on() -> None:
    sent = SendBuffer(bytes_per_second=1, sample_bytes=1)
    for _ in range(6):
        sent.append(bytes(1 << 20))
        sent.mark_sent()
    assert not sent.rewind(0.0, 0)


def test_a_server_that_claims_more_than_was_sent_is_not_believed() -> None:
    sent = SendBuffer(bytes_per_second=2, sample_bytes=2)
    sent.append(bytes(2))
    assert not sent.rewind(9.0, 0)


def test_compressed_audio_goes_on_at_the_byte_that_the_server_names() -> None:
    sent = SendBuffer(16_000, 1)
    for frame in (b"header", b"packet", "flush", b"last"):
        sent.append(frame)
    sent_all(sent)
    assert sent.rewind_to(9, 0)
    assert sent_all(sent) == [b"ket", "flush", b"last"]
