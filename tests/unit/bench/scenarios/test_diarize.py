"""Checks the figures of the diarization benchmark, with a diarizer that finds what it is told."""

from dataclasses import dataclass

import numpy as np

from bench.recordings.spoken_turns import TurnRecording
from bench.scenarios.diarize import DiarizedRecording, diarize, rows, total
from engines.base import Floats
from engines.diarization.base import Diarization, OnProgress, Samples, Turn

VOICE = np.ones(1, np.float32)


@dataclass(frozen=True)
class FixedDiarizer:
    """Finds one speaker, always."""

    name: str = "fixed"

    def diarize(self, audio: Samples, on_progress: OnProgress, speakers: int | None = None) -> Diarization:
        on_progress(100.0)
        return Diarization((Turn(0.0, len(audio) / 16_000, 0),), (VOICE,) * (speakers or 1))

    def embed(self, _audio: Floats) -> Floats:
        return VOICE


def measured(name: str, speakers: int | None = None) -> DiarizedRecording:
    turns = ((0.0, 6.0, "a"), (6.0, 10.0, "b"))
    return diarize(TurnRecording(name, np.zeros(160_000, np.float32), turns), FixedDiarizer(), speakers)


def test_a_recording_is_compared_with_its_turns() -> None:
    found = measured("one")
    assert (found.speakers, found.found, found.seconds) == (2, 1, 10.0)
    assert found.strict.confused == 4.0
    assert measured("one", speakers=2).found == 2


def test_the_rows_sum_up_the_meetings_and_leave_out_the_scene() -> None:
    found = [measured("one"), measured("two"), measured("scene")]
    table = rows(found)
    assert [row[0] for row in table] == ["one", "two", "scene", "odd", "even", "all meetings"]
    assert table[-1][6:8] == ["2", "2"]
    assert total(each.strict for each in found[:2]).speech == 20.0
