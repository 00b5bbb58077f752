"""Makes spoken cases of several kinds from a seed: numbers, short answers, repeats, words broken off."""

import random
from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from typing import Final, TypeAlias

import numpy as np

from bench.recordings.signals import Floats
from bench.recordings.speaker import (
    audio_of,
    draw_speaker,
    recorded,
    recordings,
    shorten_pauses,
)
from bench.recordings.spoken_case import Ending, SaidPart, SpokenCase, at_usual_level, sequence

PAUSES: Final = (0.5, 0.7, 1.0, 1.5)  # Seconds between groups of digits, and between answers.
DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GROUPS: Final = ((3, 3, 4), (3, 2, 2, 3), (3, 4, 3), (2, 2, 2, 2, 2), (5, 5), (4, 3, 3))
NUMBERS: Final = 30  # Numbers of ten digits in a seed; each is dictated with each pause.
TIMES: Final = 6  # Times that an answer is given.
ANSWERS: Final = (
    *("no", "yes", "okay", "right", "sure", "correct", "no thank you", "yes please", "that's right"),
    "i don't know",
)  # Said by espeak-ng.
RECORDED_ANSWERS: Final[tuple[tuple[str, str, float, float], ...]] = (
    ("again", "beckett-02", 0.64, 1.4),
    ("try again", "beckett-02", 0.0, 1.4),
    ("no matter", "beckett-01", 3.2, 4.544),
    ("fail better", "beckett-02", 3.5, 5.0),
    ("yes", "endgame_nagg_nell-02", 0.0, 0.75),
    ("no", "endgame_nagg_nell-04", 0.0, 0.48),
    ("not now", "endgame_nagg_nell-06", 0.0, 1.24),
)  # Text, recording, and its seconds: what real people say.
PUSH_TO_TALK: Final = 150  # Ends in a seed.
LONG_S: Final = 20.0  # Seconds; a case that is longer is cut without VAD too, and is played so once more.
SHORT_PAUSE_S: Final = 0.12  # Too short to end an utterance, so that a forced cut falls into speech.

Kind: TypeAlias = Callable[[int], Iterator[SpokenCase]]


def numbers(seed: int, count: int = NUMBERS) -> Iterator[SpokenCase]:
    """Numbers of ten digits, dictated in groups, each with each pause."""
    draw = _random("numbers", seed)
    for number in range(count):
        digits = [draw.choice(DIGITS) for _ in range(10)]
        groups, rest = list[str](), iter(digits)
        for size in draw.choice(GROUPS):
            groups.append(" ".join(next(rest) for _ in range(size)))
        speaker = draw_speaker(draw, 120, 155, word_gap=draw.choice((0, 2, 4)))
        said = [(group, speaker.say(group)) for group in groups]
        figures = "".join(str(DIGITS.index(digit)) for digit in digits)
        for index, pause in enumerate(PAUSES):
            case = sequence("numbers", f"{figures}, {pause} s", said, repeat(pause))
            yield case.under(number + index, seed)


def answers(seed: int) -> Iterator[SpokenCase]:
    """The same short answer six times, each answer with each pause."""
    draw = _random("answers", seed)
    sounds = [(text, draw_speaker(draw).say(text)) for text in ANSWERS]
    sounds += [(text, recorded(name, start, end)) for text, name, start, end in RECORDED_ANSWERS]
    for number, said in enumerate(sounds):
        for index, pause in enumerate(PAUSES):
            case = sequence("answers", f"{said[0]}, {pause} s", [said] * TIMES, repeat(pause))
            yield case.under(number + index, seed)


def repeats(seed: int) -> Iterator[SpokenCase]:
    """Words said again and again without a pause, and sentences without pauses, across forced cuts."""
    draw = _random("repeats", seed)
    for number, (name, text, sound) in enumerate([*_repeated_words(draw), *_dense_sentences()]):
        case = sequence("repeats", name, [(text, sound)], [0.0]).under(number + seed, seed)
        yield case
        if case.seconds > LONG_S:
            yield case.without_vad()


def _repeated_words(draw: random.Random) -> Iterator[tuple[str, str, Floats]]:
    for word, times, pace in (
        *(("no", 8, 140), ("go", 10, 160), ("no", 40, 160), ("yes", 8, 150), ("go", 16, 180)),
        *(("left right", 17, 150), ("left right", 25, 170), ("left right", 40, 170), ("roger roger", 1, 150)),
        *(("one two", 8, 170), ("roger roger", 6, 160)),
    ):
        text = " ".join([word] * times)
        yield f"{word}, {times} times", text, draw_speaker(draw, pace - 5, pace + 5).say(text)


def _dense_sentences() -> Iterator[tuple[str, str, Floats]]:
    for name in ("two_cities", "endgame_nagg_nell"):
        recording = recordings()[name]
        text = recording.text or " ".join(word for word, _, _ in recording.words)
        sound = at_usual_level(shorten_pauses(audio_of(name), SHORT_PAUSE_S))
        yield f"{name} without pauses", text, sound
    text = recordings()["beckett"].text or ""
    again = np.tile(at_usual_level(shorten_pauses(audio_of("beckett"), SHORT_PAUSE_S)), 3)
    yield "beckett without pauses, 3 times", " ".join([text] * 3), again


def push_to_talk(seed: int, count: int = PUSH_TO_TALK) -> Iterator[SpokenCase]:
    """Recordings that stop behind a word or inside one, where the client says at once end or flush."""
    draw = _random("push-to-talk", seed)
    turns = [each for name, each in recordings().items() if name[-3] == "-" and len(each.words) > 3]
    for number in range(count):
        recording = draw.choice(turns)
        last = draw.randrange(1, len(recording.words))
        inside = number % 2 == 1
        _, start, end = recording.words[last]
        stop = start + (end - start) * draw.uniform(0.35, 0.65) if inside else end
        said = recording.words[: last if inside else last + 1]
        broken = recording.words[last][0] if inside else ""
        yield _broken_off(recording.name, stop, said, broken, number, seed)


def _broken_off(
    name: str, stop: float, said: tuple[tuple[str, float, float], ...], broken: str, number: int, seed: int
) -> SpokenCase:
    sound = audio_of(name, 0.0, stop)
    text = " ".join(word for word, _, _ in said)
    part = SaidPart(text, 0, len(sound), broken)
    label = f"{name} until {stop:.2f} s"
    ending: Ending = "flush" if number // 2 % 2 else "end"
    case = SpokenCase("push-to-talk", label, at_usual_level(sound), (part,), ending)
    return case.under(number // 4, seed)


def _random(kind: str, seed: int) -> random.Random:
    return random.Random(f"{kind} {seed}")  # noqa: S311 - no secret


KINDS: Final[Mapping[str, Kind]] = {
    "numbers": numbers,
    "answers": answers,
    "repeats": repeats,
    "push-to-talk": push_to_talk,
}
"""The kinds by name; each makes the cases of a seed."""
