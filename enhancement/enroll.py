"""Makes the embedding of a person's voice of a recording: `python -m enhancement.enroll < FILE`.

A process of its own decodes what a stranger sent and loads the model, so that no server has to. It answers
with one line of JSON, a `VoicePrint` or `{"error": ...}`.
"""

import sys
from io import BytesIO
from typing import IO, Final

import msgspec
import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats
from engines.diarization.base import Diarizer, as_numbers
from engines.diarization.catalog import load_diarizer
from enhancement.decoding import open_media_file
from enhancement.stage_work import BadJobInput
from runtime.errors import StartupError

LEAST_S: Final = 3.0  # Seconds of speech: the embedding of less is hardly better than a guess.
MOST_S: Final = 60.0  # Seconds of the recording that are heard; more make the embedding no better.
ONE_VOICE: Final = 0.9  # Share of the speech that one speaker must have.


class VoicePrint(msgspec.Struct, frozen=True):
    """How a voice sounds: a vector of length one that `model` makes, of so many seconds of speech."""

    embedding: tuple[float, ...]
    model: str
    seconds: float


class BadVoice(Exception):
    """The recording can't enrol a person; the message says why."""


def voice_print(file: IO[bytes], diarizer: Diarizer) -> VoicePrint:
    """The voice of the one person who speaks in a file.

    Raises:
        BadJobInput: it is no audio.
        BadVoice: nobody speaks long enough, or several people do.
    """
    audio = _audio_of(file)
    found = diarizer.diarize(audio, lambda _percent: None)
    seconds: dict[int, float] = {}
    for turn in found.turns:
        seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + turn.end - turn.start
    total = sum(seconds.values())
    if total < LEAST_S:
        raise BadVoice(f"there are {total:.1f} s of speech in it; a voice needs {LEAST_S:g} s or more")
    speaker = max(seconds, key=lambda each: seconds[each])
    if seconds[speaker] < ONE_VOICE * total:
        raise BadVoice("more than one person speaks in it; send a recording of one alone")
    return VoicePrint(as_numbers(found.voices[speaker]), diarizer.name, round(seconds[speaker], 2))


def _audio_of(file: IO[bytes]) -> Floats:
    blocks: list[Floats] = []
    left = int(MOST_S * SAMPLE_RATE)
    with open_media_file(file) as media:
        for block in media.blocks():
            blocks.append(block[:left])
            left -= len(blocks[-1])
            if not left:
                break
    return np.concatenate(blocks)


def main() -> None:
    """Answer for the file on standard input."""
    try:
        answer = voice_print(BytesIO(sys.stdin.buffer.read()), load_diarizer())
    except (BadJobInput, BadVoice, StartupError) as error:
        _say({"error": str(error)})
    else:
        _say(answer)


def _say(answer: object) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")


if __name__ == "__main__":
    main()
