"""Checks when finals come on a simulated clock, and which of them cut a sentence."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.recordings.recording import Recording
from bench.report.result_file import read_result
from bench.request import BenchRequest
from bench.scenarios.endpointing import EndpointingRow, measure, measure_silence, table
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.protocol.errors import DalstonError
from dalston_realtime.protocol.models import ModelInfo
from dalston_realtime.protocol.parameters import MinSilence
from engines.base import Features, Floats, Job, Transcript
from engines.silero import WINDOW, VadState
from tests.support.builders import SECOND, pcm

LOUD, QUIET = 20_000, 100


def loud_is_speech(sounds: Sequence[Floats], states: Sequence[VadState]) -> list[Floats]:
    windows = (sound.reshape(-1, WINDOW) for sound in sounds)
    return [np.where(np.abs(w).mean(axis=1) > 0.3, 0.9, 0.1).astype(np.float32) for w in windows]


class Counter:
    """Says a word for each half second of sound; `finished` behind an even number of them."""

    longest_context = 0
    rest = 0
    info = ModelInfo("fast", "counter", "counter", ("en",), Features(interim_results=True).flags())

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        return [self._hear(job.audio) for job in jobs]

    def _hear(self, audio: Floats) -> Transcript:
        words = round(2 * float((np.abs(audio) > 0.3).mean()) * len(audio) / SECOND)
        return Transcript(" ".join(["word"] * words), language="en", finished=float(words % 2 == 0))


def recording(*runs: tuple[int, float]) -> Recording:
    sound = np.concatenate([np.full(round(seconds * SECOND), loudness) for loudness, seconds in runs])
    words = sum(round(2 * seconds) for loudness, seconds in runs if loudness == LOUD)
    text = " ".join(["word"] * words)
    return Recording("r", pcm(sound), f"{text}.", (), 0.0, len(sound) / SECOND)


PAUSED = recording((LOUD, 0.5), (QUIET, 0.42), (LOUD, 0.5))
"""A sentence of two words with a pause between them."""


def row(silence: int, decode_s: float = 0.1) -> EndpointingRow:
    return measure_silence([PAUSED], silence, loud_is_speech, Counter(), decode_s)


def test_a_short_wait_cuts_a_sentence_that_a_long_one_leaves_whole() -> None:
    short, long = row(300), row(600)
    assert (short.finals, short.cut, long.finals, long.cut) == (2, 1, 1, 0)
    assert short.delays == pytest.approx((0.35, 0.35), abs=0.11)
    assert long.last == pytest.approx((0.7,), abs=0.11)


def test_a_wait_that_follows_the_text_is_short_and_cuts_nothing() -> None:
    found = measure_silence([PAUSED], "auto", loud_is_speech, Counter(), 0.05)
    assert (found.finals, found.cut) == (1, 0)
    assert found.last[0] <= row(300).last[0]


def test_a_final_comes_no_sooner_than_the_engine_has_it() -> None:
    assert row(300, 0.5).last[0] >= row(300, 0.1).last[0] + 0.2
    assert measure_silence([PAUSED], "auto", loud_is_speech, Counter(), 0.5).last[0] >= 0.5


def test_the_waits_are_measured_and_saved(tmp_path: Path) -> None:
    request = BenchRequest(server_settings={"models": "fast=instant:any"}, out=tmp_path / "found.json")
    assert measure(request, [500], 0.1) == ExitCode.OK
    found = read_result(request.out)
    (only,) = found["results"]
    assert (found["settings"]["silences"], only["silence"]) == ([500], 500)
    assert only["finals"] == len(only["delays"]) > 10


@pytest.mark.parametrize(
    ("model", "silence", "complaint"),
    [("fast", 50, "from 100 to 3000, not '50'"), ("accurate", 300, "no model 'accurate'")],
)
def test_what_cannot_be_measured_is_said(
    tmp_path: Path, model: str, silence: MinSilence, complaint: str
) -> None:
    request = BenchRequest(
        server_settings={"models": "fast=instant:any"}, model=model, out=tmp_path / "found.json"
    )
    with pytest.raises(DalstonError, match=complaint):
        measure(request, [300, silence], 0.1)
    assert not request.out.exists()


def test_the_table_has_a_line_for_each_wait() -> None:
    assert table([row(300), row(600)], 2.0).row_count == 2
