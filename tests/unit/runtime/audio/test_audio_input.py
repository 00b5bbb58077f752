"""A client's bytes in, 16 kHz mono s16le out, whatever the chunks."""

import io

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from dalston_realtime.protocol.audio import ENCODED_BYTES, Encoding
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.replay.replay_buffer import ReplayBuffer
from runtime.audio.audio_input import AudioInput

ENCODINGS = list(ENCODED_BYTES)
FORMATS: list[tuple[Encoding, int, int]] = [
    (encoding, rate, channels)
    for encoding in ENCODINGS
    for rate in (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
    for channels in range(1, 9)
]


def convert(data: bytes, encoding: Encoding = "pcm_s16le", rate: int = 16_000, channels: int = 1) -> bytes:
    """All at once."""
    source = AudioInput(encoding, rate, channels)
    return source.decode_bytes(data) + source.drain()


def samples_of(data: bytes) -> npt.NDArray[np.int64]:
    return np.frombuffer(data, "<i2").astype(int)


def test_plain_audio_goes_through_untouched() -> None:
    data = bytes(range(256)) * 4
    assert convert(data) == data


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_frame_may_end_anywhere_in_a_sample(encoding: Encoding, channels: int) -> None:
    data = np.random.default_rng(1).integers(0, 256, 64, np.uint8).tobytes()
    whole = convert(data, encoding, channels=channels)
    for split in range(len(data) + 1):
        source = AudioInput(encoding, 16_000, channels)
        assert source.decode_bytes(data[:split]) + source.decode_bytes(data[split:]) == whole


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FORMATS), st.binary(max_size=4_000), st.lists(st.integers(0, 4_000), max_size=8))
def test_any_chunks_give_the_same_audio(
    form: tuple[Encoding, int, int], data: bytes, splits: list[int]
) -> None:
    source, at, pieces = AudioInput(*form), 0, list[bytes]()
    for split in sorted(splits):
        pieces.append(source.decode_bytes(data[at:split]))
        at = max(at, split)
    pieces += [source.decode_bytes(data[at:]), source.drain()]
    assert b"".join(pieces) == convert(data, *form)
    assert all(len(piece) % 2 == 0 for piece in pieces)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([form for form in FORMATS if form[1] != 16_000]),
    st.lists(st.tuples(st.binary(max_size=900), st.booleans()), max_size=12),
)
def test_behind_any_bytes_a_drain_leaves_no_sample_behind(
    form: tuple[Encoding, int, int], steps: list[tuple[bytes, bool]]
) -> None:
    encoding, rate, channels = form
    source, data, given_back = AudioInput(*form), b"", 0
    for piece, drains in [*steps, (b"", True)]:
        data += piece
        given_back += len(source.decode_bytes(piece)) // 2
        if drains:
            given_back += len(source.drain()) // 2
            frames = len(data) // (ENCODED_BYTES[encoding] * channels)
            assert given_back == pytest.approx(frames * 16_000 / rate, abs=0.5)
    assert given_back == len(convert(data, *form)) // 2


@given(
    st.sampled_from([8_000, 11_025, 16_000, 44_100, 96_000, 191_999]),
    st.integers(0, 2_000),
    st.floats(0, 0.3),
)
def test_a_worker_that_goes_on_counts_the_samples_that_its_gateway_counts(
    rate: int, received: int, settled_s: float
) -> None:
    replay = ReplayBuffer(SessionConfig(sample_rate=rate), ChangeSet())
    replay.store_audio(bytes(2 * received))
    replay.trim_before(settled_s)
    kept = bytes(2 * (replay.end - replay.start))
    assert replay.clock + len(convert(kept, rate=rate)) // 2 == pytest.approx(replay.received, abs=1)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_incomplete_last_sample_is_no_sound(encoding: Encoding) -> None:
    size = 2 * ENCODED_BYTES[encoding]
    assert convert(bytes(size - 1), encoding, channels=2) == b""
    assert len(convert(bytes(2 * size - 1), encoding, channels=2)) == 2


@pytest.mark.parametrize(
    ("value", "sample"),
    [
        (0.0, 0),
        (0.5, 16_384),
        (-1.0, -32_768),
        (1.0, 32_767),
        (7.5, 32_767),
        (-7.5, -32_768),
        (float("nan"), 0),
        (float("inf"), 32_767),
        (float("-inf"), -32_768),
        (1e-45, 0),
        (3.4e38, 32_767),
    ],
)
def test_floats_beyond_full_scale_are_full_scale_and_not_a_number_is_silence(
    value: float, sample: int
) -> None:
    assert samples_of(convert(np.array([value], "<f4").tobytes(), "pcm_f32le")).tolist() == [sample]


@given(st.binary(max_size=400))
def test_any_floats_are_audio(data: bytes) -> None:
    assert len(convert(data, "pcm_f32le")) == len(data) // 4 * 2


@pytest.mark.parametrize(("encoding", "subtype"), [("mulaw", "ULAW"), ("alaw", "ALAW")])
def test_telephone_audio_is_what_libsndfile_makes_of_it(encoding: Encoding, subtype: str) -> None:
    data = bytes(range(256))
    reference, _ = soundfile.read(
        io.BytesIO(data), dtype="int16", format="RAW", subtype=subtype, samplerate=8_000, channels=1
    )
    assert convert(data, encoding, 16_000).hex() == reference.astype("<i2").tobytes().hex()


def test_two_channels_are_mixed_down() -> None:
    stereo = np.array([[100, 300], [-32_768, -32_768], [32_767, -32_767], [5, 6]], "<i2")
    assert samples_of(convert(stereo.tobytes(), channels=2)).tolist() == [200, -32_768, 0, 6]


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 191_999, 192_000])
def test_a_tone_keeps_its_length_its_pitch_and_its_loudness(rate: int) -> None:
    seconds = 2
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(seconds * rate) / rate)
    source = AudioInput("pcm_f32le", rate, 1)
    data = tone.astype("<f4").tobytes()
    step = rate // 10 * 4 + 3  # 100 ms and a piece of a sample
    pieces = [source.decode_bytes(data[at : at + step]) for at in range(0, len(data), step)]
    heard = samples_of(b"".join(pieces) + source.drain())
    assert abs(len(heard) - seconds * 16_000) <= 1
    spectrum = np.abs(np.fft.rfft(heard[:32_000] * np.hanning(32_000)))
    assert np.argmax(spectrum) / seconds == pytest.approx(1_000, abs=1)
    middle = heard[8_000:24_000] / 32_768
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_what_the_lower_rate_cannot_hold_is_filtered_out() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000)
    heard = samples_of(convert(tone.astype("<f4").tobytes(), "pcm_f32le", 48_000))
    assert np.abs(heard[2_000:-2_000]).max() < 10


@pytest.mark.parametrize("rate", [8_000, 48_000, 192_000])
def test_resampling_does_not_hold_much_back(rate: int) -> None:
    source = AudioInput("pcm_s16le", rate, 1)
    given_back = len(source.decode_bytes(bytes(2 * rate))) // 2
    assert 16_000 - given_back < 48  # 3 ms


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMATS), st.binary(max_size=6_000), st.integers(1, 997))
def test_separate_channels_are_what_each_would_be_alone(
    form: tuple[Encoding, int, int], data: bytes, step: int
) -> None:
    encoding, rate, channels = form
    source = AudioInput(encoding, rate, channels, separate=True)
    found = b"".join(source.decode_bytes(data[at : at + step]) for at in range(0, len(data), step))
    together = samples_of(found + source.drain()).reshape(-1, channels)
    size = ENCODED_BYTES[encoding]
    whole = np.frombuffer(data[: len(data) // (size * channels) * size * channels], f"V{size}")
    for channel, part in enumerate(whole.reshape(-1, channels).T):
        assert (together[:, channel] == samples_of(convert(part.tobytes(), encoding, rate))).all()
