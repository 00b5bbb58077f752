"""Reads the recordings of a folder of the user, and finds when each word in them is said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.recordings.align import Aligner
from bench.recordings.recording import Recording, read_pcm
from dalston_realtime.cli.exits import complain
from dalston_realtime.client.errors import UsageError

EXTENSIONS: Final = (".wav", ".flac", ".ogg", ".opus", ".mp3")


def own_recordings(folder: Path) -> list[Recording]:
    """Read and align the audio files of a folder; NAME.txt has the reference text of NAME.wav, if any.

    Raises:
        UsageError: there is no audio, a file can't be read, nobody speaks in one, or a model is missing.
    """
    files = audio_files(folder)
    for alone in texts_without_audio(folder, files):
        complain(f"{alone}: no recording of this name is beside it")
    contents = [(path.stem, read_pcm(path), text_beside(path)) for path in files]  # before a model is loaded
    aligner, recordings = Aligner(), list[Recording]()
    with Console(stderr=True).status("") as status:
        for number, (name, pcm, text) in enumerate(contents, 1):
            status.update(f"aligning {name}, {number} of {len(contents)}")
            recordings.append(aligner.recording(name, pcm, text))
    return recordings


def audio_files(folder: Path) -> Sequence[Path]:
    """The audio files of a folder, sorted by name.

    Raises:
        UsageError: there are none.
    """
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in EXTENSIONS)
    if not files:
        raise UsageError(f"{folder}: no audio files; {', '.join(EXTENSIONS)} are looked for")
    return files


def texts_without_audio(folder: Path, files: Sequence[Path]) -> list[Path]:
    """The texts of a folder that belong to none of its audio files."""
    stems = {path.stem for path in files}
    return sorted(path for path in folder.glob("*.txt") if path.stem not in stems)


def text_beside(path: Path) -> str | None:
    """The text in NAME.txt beside the recording NAME.wav; None where there is none.

    Raises:
        UsageError: it can't be read, or is no UTF-8.
    """
    text = path.with_suffix(".txt")
    try:
        return " ".join(text.read_text("utf-8").split()) or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{text}: not a text in UTF-8 that can be read ({error})") from None
