"""Checks that files sent as samples are noticed by their first bytes, and that samples are never noticed."""

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from runtime.audio.container_sniffer import (
    HEAD_BYTES,
    ContainerSniffer,
    container_of,
    describe_container,
)

WEBM = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm"
MP4 = b"\x00\x00\x00\x1cftypM4A \x00\x00\x02\x00M4A isomiso2\x00\x00\x00\x08free"
ID3 = b"ID3\x04\x00\x00\x00\x00\x02\x0bTSSE\x00\x00\x00\x0f"


def file(kind: str, rate: int = 16_000, **options: Any) -> bytes:
    """A second of noise in a file."""
    out = io.BytesIO()
    noise = np.random.default_rng(1).normal(0, 0.1, rate)
    soundfile.write(out, noise, rate, format=kind, **options)
    return out.getvalue()


def mpeg(header: bytes, length: int, count: int = 4) -> bytes:
    """Frames of MPEG audio whose content is of no matter."""
    return (header + bytes(length - 4)) * count


FILES = [
    ("a WAV file", lambda: file("WAV")),
    ("a WAV file", lambda: file("RF64")),
    ("Ogg", lambda: file("OGG", subtype="VORBIS")),
    ("Ogg", lambda: file("OGG", subtype="OPUS")),
    ("FLAC", lambda: file("FLAC")),
    ("WebM or Matroska", lambda: WEBM),
    ("MP4", lambda: MP4),
    ("MP3", lambda: ID3),
    *[
        ("MP3", lambda rate=rate: file("MP3", rate))
        for rate in (8_000, 11_025, 16_000, 24_000, 32_000, 44_100)
    ],
    ("MP3", lambda: mpeg(b"\xff\xfd\xa4\x00", 576)),  # MPEG-1 layer II, 192 kbit/s, 48 kHz
    ("MP3", lambda: mpeg(b"\xff\xf5\x80\x00", 417)),  # MPEG-2 layer II, 64 kbit/s, 22.05 kHz
]


@pytest.mark.parametrize(("name", "begin"), FILES)
@pytest.mark.parametrize("piece", [1, 7, 3_200, 1 << 20])
def test_a_file_is_noticed_once_in_frames_of_any_size(name: str, begin: Any, piece: int) -> None:
    data, sniffer = begin(), ContainerSniffer(goes_on=False)
    found = [sniffer.inspect(data[at : at + piece]) for at in range(0, len(data), piece)]
    assert [one for one in found if one] == [name]
    assert sniffer.inspect(data) is None


@pytest.mark.parametrize("begin", [begin for _, begin in FILES])
def test_what_comes_later_or_goes_on_is_not_looked_at(begin: Any) -> None:
    later = ContainerSniffer(goes_on=False)
    assert [later.inspect(data) for data in (b"\1", begin())] == [None, None]
    assert ContainerSniffer(goes_on=True).inspect(begin()) is None


@pytest.mark.parametrize("kind", ["<i2", "<f4", "u1"])
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 0.00002, 0.0001, 0.001, 0.01, 0.1, 1.0]))
def test_noise_and_silence_of_any_loudness_are_samples(kind: str, seed: int, level: float) -> None:
    noise = np.random.default_rng(seed).normal(0, level, HEAD_BYTES).clip(-1, 1)
    scale = {"<i2": 32_767, "<f4": 1, "u1": 127}[kind]
    assert container_of(np.asarray(noise * scale).astype(kind).tobytes()[:HEAD_BYTES]) is None


@given(st.lists(st.sampled_from([b"\xff\xff", b"\xfe\xff", b"\0\0", b"\1\0", b"\xff\xfb", b"\x90\x00"])))
def test_quiet_samples_are_no_mpeg(begin: list[bytes]) -> None:
    assert container_of(b"".join(begin)) is None


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_can_be_looked_at(begin: bytes) -> None:
    assert container_of(begin) in {None, *(name for name, _ in FILES)}


@pytest.mark.parametrize("value", range(256))
def test_a_constant_is_samples(value: int) -> None:
    assert container_of(bytes([value]) * HEAD_BYTES) is None


def test_one_header_before_noise_is_no_mpeg() -> None:
    random = np.random.default_rng(7).integers(0, 256, (2_000, HEAD_BYTES), np.uint8)
    random[:, :4] = np.frombuffer(b"\xff\xfb\x90\x00", np.uint8)
    assert not any(container_of(row.tobytes()) for row in random)


@pytest.mark.parametrize(
    "begin",
    [
        b"RIFF\0\0\0\0AVI ",
        b"RIFF",
        b"OggX\0",
        b"fLaCe",
        b"ID3\x09\0\0\0\0\0\0",
        b"ID3\x04\0\x0f\0\0\0\0",
        b"ID3\x04\0\0\xff\0\0\0",
        b"\xff\xff\xff\xffftypM4A ",
        mpeg(b"\xff\xfb\x90\x00", 417, count=2),
        mpeg(b"\xff\xfb\x90\x00", 418),
        mpeg(b"\xff\xff\x90\x00", 417),
        mpeg(b"\xff\xeb\x90\x00", 417),
    ],
)
def test_what_only_begins_like_a_file_is_samples(begin: bytes) -> None:
    assert container_of(begin) is None


def test_the_client_is_told_what_was_seen_and_what_would_be_right() -> None:
    assert describe_container("a WAV file", "pcm_s16le") == (
        "the audio begins like a WAV file, but encoding=pcm_s16le is samples without a container: "
        "set encoding=container, or send the samples alone"
    )
    assert describe_container("Ogg", "mulaw") == (
        "the audio begins like Ogg, but encoding=mulaw is samples without a container: "
        "set encoding=container, or send the samples alone"
    )
