"""When what Whisper says was not said: on near-silence it makes up a phrase or goes round in a loop."""

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# The defaults of openai/whisper: whisper/transcribe.py, no_speech_threshold, logprob_threshold and
# compression_ratio_threshold.
NO_SPEECH: Final = 0.6  # above it nobody speaks, if the words are unlikely too
LOGPROB: Final = -1.0  # mean log probability of a token below which the words are unlikely
COMPRESSION: Final = 2.4  # a text that zlib shrinks by more than this repeats itself

SURE_NO_SPEECH: Final = 0.7
"""Above it nobody speaks, however likely the words: "you" has -0.4 on digital silence.

Of 240 decodes of silence, noise, hum, clicks and pauses with tiny.en and base, the rule of openai/whisper
alone leaves 92 with a text, this limit none; speech has at most 0.37, also in noise at 12 dB (measured).
"""


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text and how sure the model is of it. `endless`: it did not come to an end by itself."""

    text: str
    logprob: float
    no_speech: float
    endless: bool = False


def is_noise(heard: DecodedText) -> bool:
    """Whether nobody spoke."""
    unlikely = heard.logprob < LOGPROB
    return heard.no_speech > (NO_SPEECH if unlikely else SURE_NO_SPEECH)


def is_loop(heard: DecodedText) -> bool:
    """Whether the model repeated itself instead of listening."""
    return heard.endless or compression(heard.text) > COMPRESSION


def is_doubtful(heard: DecodedText) -> bool:
    """Whether another attempt may do better: openai/whisper's reasons for one."""
    return not is_noise(heard) and (is_loop(heard) or heard.logprob < LOGPROB)


def is_echo(text: str, vocabulary: Iterable[str]) -> bool:
    """Whether a text has only words of the vocabulary, or their beginnings."""
    known = _words(" ".join(vocabulary))
    said = _words(text)
    return bool(said and known) and all(any(k.startswith(word) for k in known) for word in said)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def compression(text: str) -> float:
    """How many times smaller zlib makes a text, as openai/whisper computes it."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))
