"""Reads recordings of which is known who speaks when: half minutes of meetings, and a scene of two people."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from bench.recordings.embedded import audio_folder
from bench.recordings.fetched import fetch, unpack
from bench.recordings.recording import read_pcm
from bench.recordings.text_sets import PYANNOTE

SpokenTurn: TypeAlias = tuple[float, float, str]
"""Start and end in seconds, and who speaks."""

DATA: Final = "tests/data"
MEETINGS: Final = {name: f"{DATA}/{name}.wav" for name in (
    "dev00", "dev01", *(f"trn{n:02}" for n in range(10)), "tst00", "tst01",
)} | {"trn00": f"{DATA}/tr\u00f100.wav"}  # fmt: skip
"""The 14 half minutes of meetings of the AMI corpus in the tests of pyannote.audio, by name."""
LABELS: Final = tuple(f"{DATA}/debug.{part}.rttm" for part in ("train", "development", "test"))
SCENE: Final = "endgame_nagg_nell"
"""A scene of two people in the wheel moonshine-voice.

The file of this name beside this module has its turns: those of the dialogue, with edges at pauses. The pitch
of all of them agrees: its median is 118 to 134 Hz for one of the two, and 170 to 211 Hz for the other.
"""


@dataclass(frozen=True, slots=True)
class TurnRecording:
    """Audio of 16 kHz mono, and who speaks in it when."""

    name: str
    audio: npt.NDArray[np.float32]
    turns: tuple[SpokenTurn, ...]

    @property
    def seconds(self) -> float:
        """The length of the audio."""
        return len(self.audio) / 16_000

    @property
    def speakers(self) -> int:
        """How many people speak."""
        return len({speaker for _, _, speaker in self.turns})


def read_rttm(lines: Iterable[str]) -> Mapping[str, tuple[SpokenTurn, ...]]:
    """The turns of each recording in a file of NIST's format RTTM."""
    found: dict[str, list[SpokenTurn]] = defaultdict(list)
    for line in lines:
        fields = line.split()
        if fields and fields[0] == "SPEAKER":
            start, length = float(fields[3]), float(fields[4])
            found[fields[1]].append((start, start + length, fields[7]))
    return {name: tuple(turns) for name, turns in found.items()}


def scene() -> TurnRecording:
    """The scene of two people.

    Raises:
        StartupError: the wheel is not installed.
    """
    labels = (Path(__file__).parent / f"{SCENE}.rttm").read_text("utf-8")
    return TurnRecording(SCENE, _read(audio_folder() / f"{SCENE}.wav"), read_rttm(labels.splitlines())[SCENE])


def meetings_with_turns(folder: Path) -> list[TurnRecording]:
    """The half minutes of meetings; the package is fetched into `folder`.

    Raises:
        UsageError: it can't be fetched.
    """
    with TemporaryDirectory() as unpacked:
        root = unpack(fetch(PYANNOTE, folder), [*MEETINGS.values(), *LABELS], Path(unpacked))
        labels = read_rttm(line for name in LABELS for line in (root / name).read_text("utf-8").splitlines())
        return [TurnRecording(name, _read(root / path), labels[name]) for name, path in MEETINGS.items()]


def _read(path: Path) -> npt.NDArray[np.float32]:
    return (np.frombuffer(read_pcm(path), "<i2") / 32768).astype(np.float32)
