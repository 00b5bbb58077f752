"""Joins people who never met, and voices of espeak-ng, to a conversation with known speakers and words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.recordings.embedded import embedded_recordings
from bench.recordings.recording import BYTES_PER_SECOND, TextRecording
from bench.recordings.speaker import Speaker
from bench.recordings.text_sets import spontaneous

PAUSE_S: Final = 0.6  # Seconds between two turns, as between people who listen to each other.
FULL_SCALE: Final = 32_767
VOICES: Final[Mapping[str, Speaker]] = {
    "Cleo": Speaker("en-us+klatt3", 160, 50),
    "Dan": Speaker("en-us+david", 160, 50),
    "guest 2": Speaker("en-gb+steph", 160, 50),
}
"""Those who are no people; guest 2 sounds most like one who is enrolled, of all voices that were tried."""

ENROLLED: Final[Mapping[str, str]] = {
    "Anna": "two_cities-09",
    "Ben": "cold_corpus",
    "Cleo": "The boat to the islands leaves at ten in the morning, and it takes two hours until you see the"
    " harbour and the white houses behind it.",
    "Dan": "I have read your letter twice, and I still do not see what you want me to do about the old trees"
    " in the garden behind the house.",
}
"""The recording, or the text for a voice, by which each of them is enrolled; no turn has it."""

TURNS: Final = (
    ("Anna", "two_cities-01", "two_cities-02"),
    ("Cleo", "We should talk about the boat first, because the tickets have to be paid until Friday."),
    ("guest 1", "61-70968-0000"),
    ("Dan", "I do not mind when we leave, as long as somebody waters the garden while we are away."),
    ("Ben", "cold_corpus3"),
    (
        "guest 2",
        "Nobody asked me, but I could look after the garden and the cat for those two weeks in August.",
    ),
    ("Anna", "two_cities-03", "two_cities-04", "two_cities-05"),
    ("Dan", "That is very kind of you. The key is with the neighbour on the left, in the yellow house."),
    ("Cleo", "Then there is only the car. Does anyone know whether it can stay near the harbour over night?"),
    ("Anna", "beckett"),
)
"""Who speaks, and the recordings, or the text for a voice, that are said in one go."""


@dataclass(frozen=True, slots=True)
class ConversationTurn:
    """Who says what, from when to when in seconds."""

    speaker: str
    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class SpokenConversation:
    """A conversation as 16 kHz mono s16le, its turns, and recordings of those whose voices are known."""

    pcm: bytes
    turns: tuple[ConversationTurn, ...]
    enrolled: Mapping[str, TextRecording]


def conversation(folder: Path) -> SpokenConversation:
    """The conversation.

    Raises:
        DalstonError: a package with its recordings is not installed, or can't be fetched into `folder`.
    """
    people: dict[str, TextRecording] = {
        each.name: each for each in [*embedded_recordings(), *spontaneous(folder)]
    }

    def said(speaker: str, what: str) -> TextRecording:
        return people[what] if speaker not in VOICES else spoken(VOICES[speaker], what)

    pcm, turns = join_turns([(who, [said(who, what) for what in whats]) for who, *whats in TURNS])
    return SpokenConversation(pcm, turns, {who: said(who, what) for who, what in ENROLLED.items()})


def spoken(voice: Speaker, text: str) -> TextRecording:
    """A text in the voice of espeak-ng."""
    return TextRecording(text, np.rint(voice.say(text) * FULL_SCALE).astype("<i2").tobytes(), text)


def join_turns(
    parts: Sequence[tuple[str, Sequence[TextRecording]]],
) -> tuple[bytes, tuple[ConversationTurn, ...]]:
    """The turns one after the other, each of some recordings of one speaker."""
    found, turns = bytearray(), []
    for speaker, recordings in parts:
        start = len(found) / BYTES_PER_SECOND
        for recording in recordings:
            found += recording.pcm
        text = " ".join(recording.text or "" for recording in recordings)
        turns.append(ConversationTurn(speaker, text, start, len(found) / BYTES_PER_SECOND))
        found += bytes(2 * round(PAUSE_S * BYTES_PER_SECOND / 2))
    return bytes(found), tuple(turns)
