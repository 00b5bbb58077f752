"""Recordings to play, with what is said in them and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson
from rich.console import Console

from dalston_realtime.cli.exits import complain
from dalston_realtime.client.audio.files import open_audio
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.audio import SAMPLE_RATE
from runtime.wheels import folder_of

MANIFEST: Final = Path(__file__).parent / "manifest.json"
WHEEL: Final = "moonshine-voice==0.1.0"
EXTENSIONS: Final = (".wav", ".flac", ".ogg", ".opus", ".mp3")
BYTES_PER_SECOND: Final = 2 * SAMPLE_RATE

Word: TypeAlias = tuple[str, float, float]
"""A word, its start and its end in seconds."""


@dataclass(frozen=True, slots=True)
class Recording:
    """16 kHz mono s16le, and what is known of it; times in seconds.

    `text` is what is really said, None where nobody knows. `words` are those that an offline pass found.
    """

    name: str
    pcm: bytes
    text: str | None
    words: tuple[Word, ...]
    speech_start: float
    speech_end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.pcm) / BYTES_PER_SECOND


def read_pcm(path: Path) -> bytes:
    """A file's audio as 16 kHz mono s16le.

    Raises:
        AudioError: it is not there or not audio.
    """
    with open_audio(path) as file:
        return b"".join(file.chunks)


def embedded(manifest: Path = MANIFEST) -> list[Recording]:
    """The recordings of the wheel that carries the embedded model: whole, and turn by turn.

    Raises:
        StartupError: the wheel is not installed.
    """
    folder = folder_of("moonshine_voice", WHEEL) / "assets"
    entries = orjson.loads(manifest.read_bytes())
    audio = {name: read_pcm(folder / name) for name in sorted({entry["file"] for entry in entries})}
    return [_from_entry(entry, audio[entry["file"]]) for entry in entries]


def _from_entry(entry: dict[str, Any], pcm: bytes) -> Recording:
    start, end = (round(seconds * SAMPLE_RATE) * 2 for seconds in (entry["from"], entry["to"]))
    words = tuple((str(word), float(a), float(b)) for word, a, b in entry["words"])
    return Recording(
        entry["name"], pcm[start:end], entry["text"], words, entry["speech_start"], entry["speech_end"]
    )


def own(folder: Path) -> list[Recording]:
    """The audio files of a folder, aligned now; the text of NAME.wav is in NAME.txt, where there is one.

    Raises:
        UsageError: there is no audio, a file can't be read, nobody speaks in one, or a model is missing.
    """
    files = audio_files(folder)
    for alone in texts_alone(folder, files):
        complain(f"{alone}: no recording of this name is beside it")
    read = [(path.stem, read_pcm(path), _text_beside(path)) for path in files]  # before a model is loaded
    from bench.load.align import Aligner

    aligner, found = Aligner(), list[Recording]()
    with Console(stderr=True).status("") as status:
        for number, (name, pcm, text) in enumerate(read, 1):
            status.update(f"aligning {name}, {number} of {len(read)}")
            found.append(aligner.recording(name, pcm, text))
    return found


def audio_files(folder: Path) -> Sequence[Path]:
    """The audio files of a folder by name.

    Raises:
        UsageError: there are none.
    """
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in EXTENSIONS)
    if not found:
        raise UsageError(f"{folder}: no audio files; {', '.join(EXTENSIONS)} are looked for")
    return found


def texts_alone(folder: Path, files: Sequence[Path]) -> list[Path]:
    """The texts of a folder that belong to none of its audio files."""
    stems = {path.stem for path in files}
    return sorted(path for path in folder.glob("*.txt") if path.stem not in stems)


def _text_beside(path: Path) -> str | None:
    text = path.with_suffix(".txt")
    try:
        return " ".join(text.read_text("utf-8").split()) or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{text}: not a text in UTF-8 that can be read ({error})") from None
