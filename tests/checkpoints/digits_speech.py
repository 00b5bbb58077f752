"""Makes synthetic spoken digits from a seed: folders of 16 kHz WAV files with manifests.

Voices are espeak-ng's English accents crossed with its voice variants. The three splits share no
variant, and no text of three digits or more: the texts of `train` and those of the other two are
told apart by their checksum.
"""

import json
import random
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from bench.recordings import espeak

Samples = npt.NDArray[np.float32]

RATE = 16_000  # Hz
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = (
    "en-gb",
    "en-us",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-rp",
    "en-gb-x-gbcwmd",
    "en-029",
)


@dataclass(frozen=True)
class Lengths:
    """How often a text has how many digits."""

    ranges: tuple[tuple[int, int], ...]
    weights: tuple[int, ...]  # of the ranges


@dataclass(frozen=True)
class Split:
    """One part of the data set: its name, how many utterances, in which variants of the accents."""

    name: str
    size: int
    lengths: Lengths
    variants: tuple[str, ...]


ALL_LENGTHS = Lengths(((1, 7), (8, 14), (0, 0)), weights=(90, 8, 2))
HELD_OUT_LENGTHS = Lengths(((3, 7), (8, 14)), weights=(90, 10))  # no text that `train` may have


SPLITS = (
    Split(
        "train",
        8_000,
        ALL_LENGTHS,
        (
            *("m1", "m2", "m3", "m4", "m6", "m8", "f1", "f2", "f4", "klatt", "klatt3"),
            *("adam", "Alex", "Annie", "belinda", "ed", "john", "Michael", "quincy", "steph"),
        ),
    ),
    Split("dev", 100, HELD_OUT_LENGTHS, ("m7", "f5")),
    Split("test", 200, HELD_OUT_LENGTHS, ("m5", "f3", "Andy", "linda")),
)


@dataclass(frozen=True)
class Recipe:
    """All that makes one utterance; the same recipe gives the same samples."""

    text: str
    voice: str
    words_per_minute: int
    pitch: int  # espeak-ng's scale, 0 to 99
    word_gap: int  # units of 10 ms
    head: float  # seconds of silence before
    tail: float  # seconds of silence after
    peak: float  # of full scale
    noise: float  # deviation of the white noise, of full scale; 0 is digital silence
    seed: int


@dataclass(frozen=True)
class DigitUtterance:
    """One line of a manifest."""

    audio_filepath: str  # relative to the manifest
    duration: float  # seconds
    text: str


def is_held_out(text: str) -> bool:
    """Whether a text of three digits or more is kept out of training; one in eight is."""
    return zlib.crc32(text.encode()) % 8 == 0


def draw_text(rng: random.Random, split: Split) -> str:
    """A text of the split's lengths; of three digits or more, only from the split's share."""
    while True:
        shortest, longest = rng.choices(split.lengths.ranges, split.lengths.weights)[0]
        words = rng.choices(WORDS, k=rng.randint(shortest, longest))
        text = " ".join(words)
        if len(words) < 3 or is_held_out(text) == (split.name != "train"):
            return text


def draw_recipe(rng: random.Random, split: Split) -> Recipe:
    """One utterance of a split."""
    return Recipe(
        text=draw_text(rng, split),
        voice=f"{rng.choice(ACCENTS)}+{rng.choice(split.variants)}",
        words_per_minute=rng.randint(110, 220),
        pitch=rng.randint(20, 80),
        word_gap=rng.choice((0, 0, 2, 5, 10, 20, 40)),
        head=rng.uniform(0.05, 0.8),
        tail=rng.uniform(0.05, 0.8),
        peak=10 ** rng.uniform(-1.5, -0.05),
        noise=rng.choice((0.0, 10 ** rng.uniform(-4.5, -2.3))),
        seed=rng.getrandbits(32),
    )


def speak(recipe: Recipe) -> Samples:
    """Speech as espeak-ng gives it, at 16 kHz; no samples where nothing is said."""
    if not recipe.text:
        return np.zeros(0, dtype=np.float32)
    samples, rate = espeak.speak(
        recipe.text, recipe.voice, recipe.words_per_minute, recipe.pitch, recipe.word_gap
    )
    return np.asarray(soxr.resample(samples, rate, RATE), dtype=np.float32)


def render(recipe: Recipe) -> Samples:
    """Speech between two silences, at the recipe's loudness, in its noise."""
    speech = speak(recipe)
    speech *= recipe.peak / np.abs(speech).max(initial=1e-6)
    padding = (int(recipe.head * RATE), int(recipe.tail * RATE))
    samples = np.pad(speech, padding)
    noise = np.random.default_rng(recipe.seed).standard_normal(len(samples)) * recipe.noise
    return np.asarray(np.clip(samples + noise, -1, 1), dtype=np.float32)


def write_split(split: Split, seed: int, data: Path, threads: int) -> None:
    """Renders a split into `data/<name>/`, the manifest last: where it lies, the split is whole."""
    folder = data / split.name
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{seed} {split.name}")
    recipes = [draw_recipe(rng, split) for _ in range(split.size)]

    def write(numbered: tuple[int, Recipe]) -> DigitUtterance:
        number, recipe = numbered
        samples = render(recipe)
        name = f"{number:05}.wav"
        soundfile.write(folder / name, samples, RATE, subtype="PCM_16")
        return DigitUtterance(name, len(samples) / RATE, recipe.text)

    with ThreadPoolExecutor(threads) as pool:
        utterances = list(pool.map(write, enumerate(recipes)))
    lines = (json.dumps(asdict(utterance)) + "\n" for utterance in utterances)
    manifest_path(data, split.name).write_text("".join(lines))


def synthesize(data: Path, seed: int, threads: int) -> None:
    """Renders the splits that are not there yet."""
    for split in SPLITS:
        if not manifest_path(data, split.name).exists():
            write_split(split, seed, data, threads)


def manifest_path(data: Path, name: str) -> Path:
    """Where the manifest of a split lies."""
    return data / name / "manifest.jsonl"


def read_manifest(data: Path, name: str) -> list[DigitUtterance]:
    """The utterances of a split in the order of their making."""
    lines = manifest_path(data, name).read_text().splitlines()
    return [DigitUtterance(**json.loads(line)) for line in lines]


def load_samples(data: Path, name: str, utterances: Iterable[DigitUtterance]) -> Iterator[Samples]:
    """The samples of each utterance of a split, one file at a time."""
    for utterance in utterances:
        samples, _ = soundfile.read(data / name / utterance.audio_filepath, dtype="float32")
        yield np.asarray(samples, dtype=np.float32)
