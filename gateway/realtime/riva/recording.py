"""Reads the header of a WAV file in which a Riva client sends a whole recording."""

import io
import wave
from typing import Any

from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SAMPLE_RATES
from gateway.realtime.riva.proto import RecognitionConfig


def without_header(config: Any, audio: bytes) -> tuple[Any, bytes]:
    """The configuration and the samples; a WAV file says itself in which form they are.

    Raises:
        InvalidParameter: it is a file that can't be read.
    """
    if audio[:4] != b"RIFF":
        return config, audio
    try:
        with wave.open(io.BytesIO(audio)) as file:
            samples = file.readframes(file.getnframes())
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
    except (wave.Error, EOFError) as error:
        raise InvalidParameter("audio", f"the WAV file can't be read: {error}") from None
    except RuntimeError:  # What `wave` raises where a part claims to go on behind the end of the file.
        raise InvalidParameter("audio", "the WAV file can't be read: it ends too early") from None
    if width != BYTES_PER_SAMPLE:
        raise InvalidParameter("audio", f"a WAV file must have 16 bit PCM, not {8 * width} bit")
    if rate > SAMPLE_RATES[1]:  # A message of Riva has no room for some of them.
        raise InvalidParameter("sample_rate", f"sample_rate must be at most {SAMPLE_RATES[1]}, not {rate}")
    found = RecognitionConfig()
    found.CopyFrom(config)
    found.encoding, found.sample_rate_hertz, found.audio_channel_count = 1, rate, channels
    return found, samples
