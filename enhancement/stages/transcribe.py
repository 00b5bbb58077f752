"""Hears the whole recording again, with the engine that has the fewest errors, many pieces at a time."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Engine
from engines.silero import SileroVad
from enhancement.artifacts import Heard, HeardPiece
from enhancement.audio_reader import AudioReader
from enhancement.engine_choice import load_engine
from enhancement.engine_passes import EnginePasses
from enhancement.speech_pieces import PieceRules, SpeechFinder, SpeechPiece, cut_pieces
from enhancement.stage_work import StageResult, StageWork

FINDING: Final = 10.0  # Percent of the stage that looking for speech takes.
LONG: Final = PieceRules(pause=SAMPLE_RATE // 2, longest=28 * SAMPLE_RATE, joined=28 * SAMPLE_RATE)
"""For engines that know the times of words: Whisper hears 30 s at once, however little is said in them."""

SHORT: Final = PieceRules(pause=SAMPLE_RATE // 2, longest=14 * SAMPLE_RATE, joined=10 * SAMPLE_RATE)
"""For those that hear best a few seconds at once, and for those without times, so that it is known better who
says what."""


def run(work: StageWork) -> StageResult:
    """Find the speech, and transcribe it piece by piece."""
    with work.open_audio() as audio:
        stretches = _find_speech(work, audio)
        if not any(stretches):
            return StageResult(Heard())
        chosen = load_engine(work.options.model, work.settings)
        info = chosen.engine.info
        rules = LONG if info.features.get("word_timestamps") and not _hears_short(chosen.engine) else SHORT
        pieces = [
            piece
            for channel, found in enumerate(stretches)
            for piece in cut_pieces(found, audio.samples, rules, channel)
        ]
        passes = EnginePasses(chosen.engine, work.options.language or _spoken(work, info.languages))
        heard = _hear(work, audio, batched(pieces, chosen.at_once), passes)
    return StageResult(_whole(heard), chosen.name)


def _hears_short(engine: Engine) -> bool:
    """Whether what an engine hears best at once is as short as it says."""
    return getattr(engine, "longest_context", 0) > 0


def _spoken(work: StageWork, languages: Sequence[str]) -> str | None:
    """The language that the client named for the live session, where the engine has it."""
    language = work.session.language if work.session is not None else None
    return language if language in languages else None


def _find_speech(work: StageWork, audio: AudioReader) -> list[list[tuple[int, int]]]:
    """The stretches of speech of each channel, in samples."""
    channels = range(audio.channels) if work.prepared.separate else (None,)
    vad = SileroVad()
    found = []
    for number, channel in enumerate(channels):
        finder, done = SpeechFinder(vad), 0
        for block in audio.blocks(channel):
            finder.append(block)
            done += len(block)
            work.report(FINDING * (number + done / audio.samples) / len(channels))
        found.append(finder.finish())
    return found


def _hear(
    work: StageWork, audio: AudioReader, batches: Sequence[Sequence[SpeechPiece]], passes: EnginePasses
) -> list[HeardPiece]:
    channels = work.prepared.separate
    heard: list[HeardPiece] = []
    total = sum(_samples(batch) for batch in batches)
    done = 0
    for batch in batches:
        sounds = [audio.read(p.first, p.last, p.channel if channels else None) for p in batch]
        transcripts = passes.transcribe(sounds)
        heard += [
            piece for p, t in zip(batch, transcripts, strict=True) if (piece := passes.heard_piece(p, t))
        ]
        done += _samples(batch)
        work.report(FINDING + (100 - FINDING) * done / total)
    return heard


def _samples(pieces: Sequence[SpeechPiece]) -> int:
    return sum(piece.last - piece.first for piece in pieces)


def batched(pieces: Sequence[SpeechPiece], size: int) -> list[Sequence[SpeechPiece]]:
    """The pieces in groups of `size`."""
    return [pieces[at : at + size] for at in range(0, len(pieces), size)]


def _whole(pieces: Sequence[HeardPiece]) -> Heard:
    ordered = tuple(sorted(pieces, key=lambda piece: (piece.start, piece.channel)))
    languages = Counter(piece.language for piece in ordered if piece.language)
    return Heard(pieces=ordered, language=languages.most_common(1)[0][0] if languages else None)
