"""Detects text that nobody said: on near-silence Whisper makes up a phrase or repeats itself."""

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# The defaults of openai/whisper: whisper/transcribe.py, no_speech_threshold, logprob_threshold and
# compression_ratio_threshold.
NO_SPEECH: Final = 0.6  # Probability of no speech above which nobody speaks, if the words are unlikely too.
LOGPROB: Final = -1.0  # Mean log probability of a token below which the words are unlikely.
COMPRESSION: Final = 2.4  # Ratio: a text that zlib makes smaller than by this factor repeats itself.

SURE_NO_SPEECH: Final = 0.7
"""Probability of no speech above which nobody speaks, however likely the words are.

On digital silence "you" has a log probability of -0.4. Of 240 decodings of silence, noise, hum, clicks and
pauses with tiny.en and base, the rule of openai/whisper alone leaves 92 with a text, and this limit none;
speech has at most 0.37, also in noise at 12 dB (measured).
"""


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text and how certain the model is of it. `endless`: the model did not end it."""

    text: str
    logprob: float
    no_speech: float
    endless: bool = False


def is_noise(decoded: DecodedText) -> bool:
    """Whether nobody spoke."""
    unlikely = decoded.logprob < LOGPROB
    return decoded.no_speech > (NO_SPEECH if unlikely else SURE_NO_SPEECH)


def is_repetition(decoded: DecodedText) -> bool:
    """Whether the model repeated itself instead of transcribing."""
    return decoded.endless or compression_ratio(decoded.text) > COMPRESSION


def is_doubtful(decoded: DecodedText) -> bool:
    """Whether another attempt may be better, for the same reasons as in openai/whisper."""
    return not is_noise(decoded) and (is_repetition(decoded) or decoded.logprob < LOGPROB)


def is_echo(text: str, vocabulary: Iterable[str]) -> bool:
    """Whether a text has only words of the vocabulary, or their beginnings."""
    known = _words(" ".join(vocabulary))
    said = _words(text)
    return bool(said and known) and all(any(k.startswith(word) for k in known) for word in said)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def compression_ratio(text: str) -> float:
    """How many times smaller zlib makes a text, as openai/whisper computes it."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))
