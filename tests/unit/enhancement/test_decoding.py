"""Files that people have are decoded; what is none, or too much, is refused with the reason."""

import io
import struct
import wave
from pathlib import Path
from typing import IO, Any, cast

import av
import numpy as np
import pytest

from enhancement.decoding import MAX_HOURS, open_media_file
from enhancement.stage_work import BadJobInput

RATE = 44_100
SECONDS = 3.0
FORMATS = {
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "m4a": ("ipod", "aac"),
    "flac": ("flac", "flac"),
    "ogg": ("ogg", "libopus"),
    "webm": ("webm", "libopus"),
}


def tone(seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    return (np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate) * 10_000).astype(np.int16)


def encoded(form: str, samples: np.ndarray, rate: int = RATE, layout: str = "mono") -> bytes:
    container, codec = FORMATS[form]
    rate = 48_000 if codec == "libopus" else rate
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate, frame_size=1024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return file.getvalue()


def wav(channels: int, seconds: float = 1.0, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.repeat(tone(seconds, rate), channels).tobytes())
    return file.getvalue()


def decoded(data: bytes) -> np.ndarray:
    with open_media_file(io.BytesIO(data)) as media:
        return np.concatenate(list(media.blocks()))


def refusal(data: bytes) -> str:
    with pytest.raises(BadJobInput) as caught:
        decoded(data)
    return str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
def test_what_people_have_is_decoded(form: str) -> None:
    samples = decoded(encoded(form, tone()))
    rate = 48_000 if form in ("ogg", "webm") else RATE
    assert len(samples) / 16_000 == pytest.approx(SECONDS * RATE / rate, abs=0.15)
    assert float(np.abs(samples).max()) == pytest.approx(10_000 / 32_768, rel=0.2)


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_channels_are_mixed(channels: int) -> None:
    samples = decoded(wav(channels))
    assert len(samples) == pytest.approx(16_000, abs=200)
    assert float(np.abs(samples).max()) == pytest.approx(10_000 / 32_768, rel=0.1)


def test_more_channels_are_refused() -> None:
    assert refusal(wav(12)) == "the audio has 12 channels, and at most 8 are taken"


@pytest.mark.parametrize("data", [b"hello " * 1_000, bytes(5_000), b"RIFF", b"\x00"])
def test_what_is_no_audio_is_refused(data: bytes) -> None:
    assert refusal(data) in (
        "it is no audio or video file that can be read",
        "there is no audio in the file",
        "no audio in the file can be decoded",
    )


def test_an_empty_file_is_refused() -> None:
    assert refusal(b"") == "the file is empty"


def test_a_playlist_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(wav(1))
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile {tmp_path}/secret.wav\n",
    ):
        assert refusal(text.encode()) == "it is no audio or video file that can be read"


def test_a_header_that_lies_about_the_length_is_not_believed() -> None:
    data = bytearray(wav(1))
    data[40:44] = struct.pack("<I", 0xFFFF_FFF0)
    assert len(decoded(bytes(data))) == pytest.approx(16_000, abs=200)


def test_a_file_that_breaks_off_is_heard_as_far_as_it_goes() -> None:
    data = encoded("mp3", tone(10.0))
    assert 4 * 16_000 < len(decoded(data[: len(data) // 2])) < 6 * 16_000


def test_a_damaged_place_costs_little() -> None:
    data = bytearray(encoded("mp3", tone(10.0)))
    middle = len(data) // 2
    data[middle : middle + 500] = bytes(500)
    assert len(decoded(bytes(data))) > 9 * 16_000


def test_a_long_recording_is_refused_at_once_by_its_header() -> None:
    rate = 8_000
    frames = (MAX_HOURS + 2) * 3_600 * rate
    header = wav(1, 0.1, rate)[:40] + struct.pack("<I", frames * 2)
    file = _Huge(header, frames * 2)
    with (
        open_media_file(cast(IO[bytes], file)) as media,
        pytest.raises(BadJobInput, match="longer than 8 hours"),
    ):
        next(iter(media.blocks()))
    assert file.read_bytes < 10 << 20


class _Huge(io.RawIOBase):
    """A file of zeros behind a header, of which hardly anything lies in memory."""

    def __init__(self, header: bytes, size: int) -> None:
        self._header, self._size, self._at = header, len(header) + size, 0
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        size = max(0, min(size if size >= 0 else 1 << 20, self._size - self._at))
        data = self._header[self._at : self._at + size]
        self._at += size
        self.read_bytes += size
        return data + bytes(size - len(data))

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def test_a_bomb_of_silence_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded("flac", np.zeros(RATE * 60, np.int16))
    with open_media_file(io.BytesIO(data)) as media:
        block = np.zeros(3_600 * 16_000, np.float32)
        monkeypatch.setattr(media, "_decoded", lambda: iter([block] * (MAX_HOURS + 1)))
        with pytest.raises(BadJobInput, match="longer than 8 hours"):
            list(media.blocks())
