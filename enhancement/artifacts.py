"""Defines what the stages of a job hand to each other, one file in the store of the recordings for each.

Times are seconds from the begin of the recording. Speakers have labels, `S1`, `S2`, by their first words.
A field that is not known is None.
"""

import msgspec

from dalston_realtime.protocol.jobs import Emotion, EnhancedTranscript, NameSource, SpokenWord


class Prepared(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The audio that the other stages hear: a WAV file of 16 kHz, s16, named by `audio_key`.

    `separate`: each channel is a person by themselves. `loudness` is the level of what is loud in it, in dB
    of full scale, None where all is silent. The other stages hear it `gain` times as loud.
    """

    audio_key: str
    seconds: float
    channels: int = 1
    separate: bool = False
    loudness: float | None = None
    gain: float = 1.0


class HeardPiece(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said in one piece of the recording, which is cut at pauses.

    Words have times where the engine has them. `speech` are the times in which somebody speaks in the piece.
    """

    start: float
    end: float
    text: str
    channel: int = 0
    words: tuple[SpokenWord, ...] = ()
    speech: tuple[tuple[float, float], ...] = ()
    language: str | None = None
    confidence: float | None = None


class Heard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that is said, by the begin of the pieces; empty where nobody speaks."""

    pieces: tuple[HeardPiece, ...] = ()
    language: str | None = None


class SpeakerTurn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A speaker speaks; `overlap`: somebody else does too. `channel` is None where all channels are meant."""

    start: float
    end: float
    speaker: str
    channel: int | None = None
    overlap: bool = False


class Diarized(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who speaks when, and how each voice sounds: vectors of length one that `model` makes."""

    turns: tuple[SpeakerTurn, ...] = ()
    voices: dict[str, tuple[float, ...]] = {}
    model: str | None = None


class SpeakerName(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The name of a speaker, who gave it, and the similarity to the enrolled voice where it is one's."""

    name: str
    source: NameSource
    score: float | None = None


class Named(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The names of speakers by the labels of `Diarized`, and the labels that are to be shown instead.

    `labels` keeps a speaker's label over several passes; who is not in it keeps the one of `Diarized`.
    """

    names: dict[str, SpeakerName] = {}
    labels: dict[str, str] = {}


class Cleaned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Texts to show instead of what was heard, by the `id` of the segment; others stay as they are."""

    texts: dict[int, str] = {}
    summary: str | None = None
    action_items: tuple[str, ...] | None = None


class Emotions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is heard in the voices, by the `id` of the segment."""

    emotions: dict[int, Emotion] = {}


OUTPUTS: dict[str, type[msgspec.Struct]] = {
    "prepare": Prepared,
    "transcribe": Heard,
    "diarize": Diarized,
    "names": Named,
    "cleanup": Cleaned,
    "emotions": Emotions,
    "merge": EnhancedTranscript,
}
"""What each stage makes."""
