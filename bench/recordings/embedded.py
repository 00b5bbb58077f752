"""Reads the recordings that come with the embedded model: complete, and turn by turn."""

from pathlib import Path
from typing import Any, Final

import orjson

from bench.recordings.recording import Recording, read_pcm
from dalston_realtime.protocol.audio import SAMPLE_RATE
from runtime.wheels import folder_of

MANIFEST: Final = Path(__file__).parent / "manifest.json"
PACKAGE: Final = "moonshine_voice"
WHEEL: Final = "moonshine-voice==0.1.0"  # The only version that carries weights and recordings.


def audio_folder() -> Path:
    """The folder of the wheel with the recordings.

    Raises:
        StartupError: the wheel is not installed.
    """
    return folder_of(PACKAGE, WHEEL) / "assets"


def embedded_recordings(manifest: Path = MANIFEST) -> list[Recording]:
    """Read all recordings that the manifest names.

    Raises:
        StartupError: the wheel is not installed.
    """
    folder = audio_folder()
    entries = orjson.loads(manifest.read_bytes())
    audio = {name: read_pcm(folder / name) for name in sorted({entry["file"] for entry in entries})}
    return [_recording(entry, audio[entry["file"]]) for entry in entries]


def _recording(entry: dict[str, Any], pcm: bytes) -> Recording:
    start, end = (round(seconds * SAMPLE_RATE) * 2 for seconds in (entry["from"], entry["to"]))
    words = tuple((str(word), float(a), float(b)) for word, a, b in entry["words"])
    return Recording(
        entry["name"], pcm[start:end], entry["text"], words, entry["speech_start"], entry["speech_end"]
    )
