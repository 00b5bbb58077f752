"""Checks that recordings of many kinds become 100 ms chunks of 16 kHz mono s16le."""

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.audio.files import open_audio, to_pcm
from dalston_realtime.client.errors import AudioError

Samples = npt.NDArray[np.float64]


def tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 0.5) -> Samples:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def read(path: Path) -> tuple[list[bytes], npt.NDArray[np.int16]]:
    with open_audio(path) as audio:
        chunks = list(audio.chunks)
    return chunks, np.frombuffer(b"".join(chunks), "<i2")


def loudest_hertz(samples: npt.NDArray[np.int16]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 16_000 / len(samples)


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype"),
    [
        ("a.wav", 8_000, 2, "PCM_16"),
        ("a.wav", 44_100, 1, "FLOAT"),
        ("a.wav", 48_000, 6, "PCM_24"),
        ("a.wav", 8_000, 1, "ULAW"),
        ("a.flac", 22_050, 1, "PCM_16"),
        ("a.ogg", 48_000, 2, "VORBIS"),
        ("a.ogg", 48_000, 1, "OPUS"),
        ("a.mp3", 44_100, 2, "MPEG_LAYER_III"),
        ("a.aiff", 16_000, 1, "PCM_16"),
    ],
)
def test_any_format_becomes_16_khz_mono(
    tmp_path: Path, name: str, rate: int, channels: int, subtype: str
) -> None:
    path = tmp_path / name
    mono = tone(1.25, rate)
    soundfile.write(path, np.column_stack([mono] * channels), rate, subtype=subtype)

    _, samples = read(path)

    assert len(samples) == pytest.approx(20_000, abs=1_200)  # mp3 pads its frames
    assert loudest_hertz(samples) == pytest.approx(440, abs=2)
    assert 14_000 < np.abs(samples).max() < 18_500


def test_chunks_are_100_ms_and_the_last_is_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(2.35, 16_000), 16_000)

    chunks, _ = read(path)

    assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES] * 23 + [CHUNK_BYTES // 2]


def test_what_is_already_right_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    original = np.random.default_rng(1).integers(-32_768, 32_768, 20_000).astype(np.int16)
    soundfile.write(path, original, 16_000)

    assert np.array_equal(read(path)[1], original)


def test_channels_are_mixed_down_and_not_picked(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    left = tone(1, 16_000)
    soundfile.write(path, np.column_stack([left, -left]), 16_000)

    assert np.abs(read(path)[1]).max() <= 1


def test_a_long_file_is_decoded_block_by_block(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, tone(60, 8_000), 8_000)

    with open_audio(path) as audio:
        assert audio.duration == 60.0
        assert len(next(audio.chunks)) == CHUNK_BYTES  # with the file still open at its start


def test_what_is_not_a_number_or_too_loud_does_not_spread(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    loud = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38] * 2_000, np.float32)
    soundfile.write(path, np.concatenate([loud, np.zeros(38_000, np.float32)]), 48_000, "FLOAT")

    _, samples = read(path)

    assert len(samples) == 16_000
    assert not samples[8_000:].any()


def test_loud_samples_are_clipped() -> None:
    samples = np.array([-2.0, -1.0, 0.0, 1.0, 2.0], np.float32)

    assert np.frombuffer(to_pcm(samples), "<i2").tolist() == [-32_768, -32_768, 0, 32_767, 32_767]


def test_an_empty_recording_has_no_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), 8_000)

    assert read(path)[0] == []


@pytest.mark.parametrize("content", [b"", b"plain text", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_not_audio_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)

    with pytest.raises(AudioError, match=r"notes\.txt: not audio that can be read"), open_audio(path):
        pass


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav: no such file"), open_audio(tmp_path / "gone.wav"):
        pass
    with pytest.raises(AudioError, match="not a file"), open_audio(tmp_path):
        pass


def test_raw_audio_in_a_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "call.raw"
    path.write_bytes(bytes(32_000))

    with pytest.raises(AudioError, match=r"call\.raw: raw audio does not say its format"), open_audio(path):
        pass


def unclosed(path: Path, size: int, rate: int = 8_000, subtype: str = "PCM_16") -> Path:
    """A WAV of 1.25 s whose sizes were never written."""
    soundfile.write(path, np.column_stack([tone(1.25, rate)] * 2), rate, subtype=subtype)
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[4:8] = content[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT", "ULAW"])
def test_a_wav_that_was_never_closed_is_read_to_its_end(tmp_path: Path, size: int, subtype: str) -> None:
    path = unclosed(tmp_path / "a.wav", size, subtype=subtype)

    with open_audio(path) as audio:
        assert audio.duration == pytest.approx(1.25)
    _, samples = read(path)
    assert len(samples) == pytest.approx(20_000, abs=40)
    assert loudest_hertz(samples) == pytest.approx(440, abs=2)


def test_an_empty_wav_with_notes_behind_it_stays_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(0), 8_000)
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 400) + bytes(400))

    assert read(path)[0] == []


def media(path: Path, codec: str) -> Path:
    """A container of 1.25 s of a tone in stereo at 48 kHz."""
    av: Any = pytest.importorskip("av")
    block = (np.column_stack([tone(1.25, 48_000)] * 2) * 32_767).astype("<i2")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = 48_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("a.m4a", "aac"), ("a.mp4", "aac"), ("a.aac", "aac"), ("a.webm", "libopus")]
)
def test_containers_are_decoded_with_pyav(tmp_path: Path, name: str, codec: str) -> None:
    _, samples = read(media(tmp_path / name, codec))

    assert len(samples) == pytest.approx(20_000, abs=1_200)
    assert loudest_hertz(samples) == pytest.approx(440, abs=2)
    assert 14_000 < np.abs(samples[4_000:16_000]).max() < 18_500


M4A_HEAD = b"\0\0\0\x20ftypM4A \0\0\0\0"


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(M4A_HEAD)
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(AudioError, match=r"m4a, mp4, .* 'dalston-realtime\[media\]"), open_audio(path):
        pass


def test_a_broken_container_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "a.m4a"
    path.write_bytes(M4A_HEAD)

    with pytest.raises(AudioError, match=r"a\.m4a: not audio that can be read"), open_audio(path):
        pass
