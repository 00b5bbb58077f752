"""Checks the diarizer on a real scene of two people, and what it does with sound without speech."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from bench.measure.diarization_error import diarization_errors
from bench.recordings.spoken_turns import scene
from engines.diarization.base import Diarization, Diarizer, NoVoice
from engines.diarization.catalog import load_diarizer
from engines.diarization.diarizer import EmbeddedDiarizer
from engines.diarization.onnx_model import OnnxModel
from runtime.errors import StartupError


@cache
def loaded() -> Diarizer:
    return load_diarizer()


def quiet(_percent: float) -> None:
    """Progress that nobody looks at."""


def scored(found: Diarization) -> float:
    """The share of the scene's speech that is right, in percent, with every edge counted."""
    turns = [(turn.start, turn.end, turn.speaker) for turn in found.turns]
    return 100 - diarization_errors(scene().turns, turns, scene().seconds, collar=0.0).rate


def test_a_scene_of_two_people() -> None:
    percents: list[float] = []
    found = loaded().diarize(scene().audio, percents.append)
    assert len(found.voices) == 2
    assert scored(found) >= 90
    assert found.turns[0].speaker == 0
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert all(earlier.start <= later.start for earlier, later in pairwise(found.turns))


@pytest.mark.parametrize("speakers", [1, 2, 3])
def test_the_number_of_speakers_is_what_somebody_knows(speakers: int) -> None:
    found = loaded().diarize(scene().audio, quiet, speakers)
    assert len(found.voices) == speakers
    assert {turn.speaker for turn in found.turns} == set(range(speakers))


def test_a_voice_is_known_again() -> None:
    found, (audio, turns) = loaded().diarize(scene().audio, quiet), (scene().audio, scene().turns)
    parts = [
        np.concatenate([audio[int(a * 16_000) : int(b * 16_000)] for a, b, who in turns if who == name])
        for name in ("nagg", "nell")
    ]
    alike = np.array([[loaded().embed(part) @ voice for voice in found.voices] for part in parts])
    assert np.linalg.norm(found.voices, axis=1) == pytest.approx(1, abs=1e-4)
    assert alike.diagonal().min() > 0.8
    assert alike[[0, 1], [1, 0]].max() < 0.6


@pytest.mark.parametrize("samples", [0, 1, 400, 16_000, 200_000])
def test_silence_has_no_speakers(samples: int) -> None:
    silence = np.zeros(samples, np.float32)
    assert loaded().diarize(silence, quiet) == Diarization()
    with pytest.raises(NoVoice):
        loaded().embed(silence)


def test_whoever_hears_of_progress_may_end_the_work() -> None:
    def stop(_percent: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loaded().diarize(scene().audio, stop)


def test_there_is_one_diarizer() -> None:
    assert isinstance(load_diarizer("embedded"), EmbeddedDiarizer)
    with pytest.raises(StartupError, match="no diarizer 'other'"):
        load_diarizer("other")
    with pytest.raises(StartupError, match="install dalston-realtime"):
        OnnxModel("missing.onnx", 1)
