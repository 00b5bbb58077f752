"""A container that grows: its audio comes as it is complete, and nothing that it holds does harm."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.audio.compressed.container_thread import BLOCK, ContainerLimits, ContainerThread
from runtime.audio.compressed.errors import UnreadableStream
from runtime.audio.sample_converter import SampleConverter
from tests.support.encoded_audio import FORMS, RATE, SECONDS, container, encode, late_mp4, sound

LONGEST = 2 * BLOCK  # Bytes of samples that may come at once.


def decoded(
    pieces: Sequence[bytes], separate: int = 0, limits: ContainerLimits | None = None, *, ends: bool = True
) -> bytes:
    """All that comes of a container in pieces."""

    async def main() -> bytes:
        thread, found = ContainerThread(separate, limits), bytearray()
        try:
            for piece in pieces:
                async for block in thread.decode(piece):
                    assert len(block) <= LONGEST
                    found += block
            if ends:
                async for block in thread.finish():
                    found += block
        finally:
            thread.close()
        return bytes(found)

    return asyncio.run(main())


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def alike(found: bytes, channels: int = 1) -> float:
    """The correlation of what was decoded with the sound that was encoded, at the best delay."""
    heard = np.frombuffer(found, "<i2").reshape(-1, channels)[:, 0].astype(float)
    meant = np.frombuffer(SampleConverter(RATE, 1).convert(sound()[0]), "<i2").astype(float)
    size = min(len(heard), len(meant)) - 2_000
    return max(float(np.corrcoef(heard[at : at + size], meant[:size])[0, 1]) for at in range(0, 2_000, 4))


@pytest.mark.parametrize("name", FORMS)
def test_each_container_is_decoded_however_it_is_cut(name: str) -> None:
    data = container(name)
    whole = decoded([data])
    assert decoded(cut(data, 997)) == whole
    assert len(whole) / 32_000 == pytest.approx(SECONDS, abs=0.1)
    assert alike(whole) > 0.95


@pytest.mark.parametrize("name", ["flac", "wav"])
def test_channels_are_kept_apart(name: str) -> None:
    found = np.frombuffer(decoded(cut(container(name, 2), 5_000), separate=2), "<i2").reshape(-1, 2)
    both = sound(2)
    for channel in (0, 1):
        converter = SampleConverter(RATE, 1)
        alone = np.frombuffer(converter.convert(both[channel]) + converter.drain(), "<i2")
        assert np.abs(found[: len(alone), channel].astype(int) - alone[: len(found)]).max() <= 2


def test_another_number_of_channels_than_announced_is_refused() -> None:
    with pytest.raises(UnreadableStream, match="set channels=2"):
        decoded([container("flac", 2)], separate=3)


def test_an_mp4_with_its_index_at_the_end_is_refused_at_once_with_how_to_mend_it() -> None:
    with pytest.raises(UnreadableStream, match=r"faststart"):
        decoded([late_mp4()[:2_000]], ends=False)


@pytest.mark.parametrize(
    "data", [b"\0" * 7_000, b"#EXTM3U\nhttp://127.0.0.1/x\n" * 300, bytes(range(256)) * 30]
)
def test_what_begins_like_no_container_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableStream, match="encoding=pcm_s16le"):
        decoded([data])


def test_a_header_that_never_ends_is_given_up() -> None:
    begin = container("webm")[:40] + b"\xec\x4f\xff" + bytes(1_000)  # A filler of 4 KiB, and so on.
    with pytest.raises(UnreadableStream, match="no audio in"):
        decoded([begin] + [b"\xec\x4f\xff" + bytes(4_095)] * 9, limits=ContainerLimits(silent_bytes=20_000))
    with pytest.raises(UnreadableStream, match="within 0 s"):
        decoded([begin], limits=ContainerLimits(header=0.0))


def test_some_bytes_that_hold_hours_are_decoded_block_by_block() -> None:
    silence = encode("flac", "flac", np.zeros((1, 300 * RATE), np.float32), {})
    assert len(silence) < 1 << 20

    async def main() -> int:
        thread, blocks = ContainerThread(0), 0
        async for block in thread.decode(silence):
            assert len(block) <= LONGEST
            blocks += 1
            if blocks == 3:
                break
        thread.close()
        return blocks

    assert asyncio.run(main()) == 3


def test_what_comes_behind_the_end_does_nothing() -> None:
    with pytest.raises(UnreadableStream):
        decoded([late_mp4(), b"more"])
    assert decoded([]) == b""


@settings(max_examples=40, deadline=None)
@example("webm", [(0, 255)], 100)
@given(
    st.sampled_from(sorted(FORMS)),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=40),
    st.integers(1, 1 << 16),
)
def test_a_damaged_container_is_decoded_or_refused(
    name: str, changes: list[tuple[int, int]], end: int
) -> None:
    data = bytearray(container(name))
    for at, value in changes:
        data[at % len(data)] = value
    with suppress(UnreadableStream):
        decoded(cut(bytes(data[:end]), 3_000))
