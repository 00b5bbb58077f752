"""Finds who speaks when: by the channels where they are apart, or else with a model of voices."""

from dataclasses import dataclass
from typing import Final

from engines.base import Floats
from engines.diarization.base import Diarizer, as_numbers
from engines.diarization.catalog import load_diarizer
from enhancement.artifacts import Diarized, SpeakerTurn
from enhancement.audio_reader import AudioReader
from enhancement.stage_work import Skipped, StageResult, StageWork
from runtime.errors import StartupError

NOBODY: Final = "nobody speaks in the recording"


def run(work: StageWork) -> StageResult | Skipped:
    """Tell speakers apart."""
    if not work.heard.pieces:
        return Skipped(NOBODY)
    if work.prepared.separate:
        return StageResult(_by_channel(work), "the channels of the recording")
    try:
        diarizer = load_diarizer(threads=work.settings.enhancer_threads)
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


@dataclass(frozen=True, slots=True)
class ReadSamples:
    """The samples of a file, of which only the parts that are asked for are in memory."""

    audio: AudioReader

    def __len__(self) -> int:
        return self.audio.samples

    def __getitem__(self, part: slice, /) -> Floats:
        return self.audio.read(part.start or 0, self.audio.samples if part.stop is None else part.stop)


def _by_voice(work: StageWork, diarizer: Diarizer) -> Diarized:
    """The diarizer numbers speakers from 0 in the order in which they begin to speak."""
    with work.open_audio() as audio:
        found = diarizer.diarize(ReadSamples(audio), work.report, work.options.speakers)
    turns = tuple(
        SpeakerTurn(
            start=round(turn.start, 3),
            end=round(turn.end, 3),
            speaker=f"S{turn.speaker + 1}",
            overlap=turn.overlap,
        )
        for turn in found.turns
    )
    voices = {f"S{number}": as_numbers(voice) for number, voice in enumerate(found.voices, start=1)}
    return Diarized(turns=turns, voices=voices, model=diarizer.name)
