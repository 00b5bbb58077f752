"""Finds who speaks when: by the channels where they are apart, or else with a model of voices."""

import importlib
from importlib.util import find_spec
from typing import Any, Final

from enhancement.artifacts import Diarized, SpeakerTurn
from enhancement.stage_work import Skipped, StageResult, StageWork
from runtime.errors import StartupError

CATALOG: Final = "engines.diarization.catalog"
NOBODY: Final = "nobody speaks in the recording"


def run(work: StageWork) -> StageResult | Skipped:
    """Tell speakers apart."""
    if not work.heard.pieces:
        return Skipped(NOBODY)
    if work.prepared.separate:
        return StageResult(_by_channel(work), "the channels of the recording")
    if find_spec(CATALOG.rpartition(".")[0]) is None:
        return Skipped("this server has no model that tells speakers apart")
    try:
        diarizer = importlib.import_module(CATALOG).load_diarizer("auto", work.settings.enhancer_threads)
    except StartupError as error:
        return Skipped(str(error))
    return StageResult(_by_voice(work, diarizer), diarizer.name)


def _by_channel(work: StageWork) -> Diarized:
    """Each channel is a speaker, whose turns are what was heard in it."""
    turns = []
    order = list(dict.fromkeys(piece.channel for piece in work.heard.pieces))
    for piece in work.heard.pieces:
        speaker = f"S{order.index(piece.channel) + 1}"
        for start, end in piece.speech or ((piece.start, piece.end),):
            turns.append(SpeakerTurn(start=start, end=end, speaker=speaker, channel=piece.channel))
    return Diarized(turns=tuple(turns))


def _by_voice(work: StageWork, diarizer: Any) -> Diarized:
    with work.open_audio() as audio:
        samples = audio.read(0, audio.samples)
    found = diarizer.diarize(samples, work.report, work.options.speakers)
    order = list(dict.fromkeys(turn.speaker for turn in sorted(found.turns, key=lambda turn: turn.start)))
    labels = {speaker: f"S{at}" for at, speaker in enumerate(order, start=1)}
    turns = tuple(
        SpeakerTurn(
            start=round(turn.start, 3),
            end=round(turn.end, 3),
            speaker=labels[turn.speaker],
            overlap=turn.overlap,
        )
        for turn in found.turns
    )
    voices = {
        labels[number]: tuple(round(float(x), 6) for x in voice)
        for number, voice in enumerate(found.voices)
        if number in labels
    }
    return Diarized(turns=turns, voices=voices, model=diarizer.name)
