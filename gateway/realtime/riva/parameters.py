"""Turns what a Riva client asks for into the parameters of a session."""

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from dalston_realtime.protocol.audio import Encoding
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import (
    MAX_PHRASE_CHARS,
    MAX_PHRASES,
    MIN_SILENCE_MS,
    SessionConfig,
    parse_query,
)

ENCODINGS: Final[dict[int, Encoding]] = {0: "pcm_s16le", 1: "pcm_s16le", 3: "mulaw", 20: "alaw"}
"""The numbers of Riva's encodings; 0 stands for none that is named."""

ANY_LANGUAGE: Final = ("", "multi")


def session_config(asked: Any, *, interim_results: bool) -> SessionConfig:
    """The session that a `RecognitionConfig` asks for, with the model as the client names it.

    Raises:
        InvalidParameter: such audio or such a language is not known.
    """
    encoding = ENCODINGS.get(asked.encoding)
    if encoding is None:
        raise InvalidParameter("encoding", "the encoding must be LINEAR_PCM, MULAW or ALAW")
    channels = asked.audio_channel_count or 1
    if asked.enable_separate_recognition_per_channel and channels > 1:
        what = "enable_separate_recognition_per_channel"
        raise InvalidParameter(what, f"{what} needs a stream for each channel")
    query = {
        "encoding": encoding,
        "sample_rate": str(asked.sample_rate_hertz),
        "channels": str(channels),
        "language": "auto" if asked.language_code in ANY_LANGUAGE else asked.language_code,
    }
    config = replace(
        parse_query(query),
        model=asked.model,
        interim_results=interim_results,
        word_timestamps=asked.enable_word_time_offsets,
        vocabulary=tuple(_phrases(asked))[:MAX_PHRASES],
    )
    silence = asked.endpointing_config.stop_history
    low, high = MIN_SILENCE_MS
    return replace(config, min_silence_ms=min(max(silence, low), high)) if silence > 0 else config


def ignored_flags(asked: Any) -> tuple[str, ...]:
    """What a `RecognitionConfig` asks for and nobody does."""
    endpointing = asked.endpointing_config
    flags = {
        "profanity_filter": asked.profanity_filter,
        "verbatim_transcripts": asked.verbatim_transcripts,
        "max_alternatives": asked.max_alternatives > 1,
        "custom_configuration": asked.custom_configuration,
        "diarization_config": asked.diarization_config.enable_speaker_diarization,
        "boost": any(context.boost for context in asked.speech_contexts),
        "start_threshold": endpointing.start_history or endpointing.start_threshold,
        "stop_threshold": endpointing.stop_threshold,
        "stop_threshold_eou": endpointing.stop_history_eou or endpointing.stop_threshold_eou,
    }
    return tuple(name for name, is_asked in flags.items() if is_asked)


def _phrases(asked: Any) -> Iterator[str]:
    """The phrases that are not too long, each once."""
    found = dict.fromkeys(phrase for context in asked.speech_contexts for phrase in context.phrases)
    return (phrase for phrase in found if 0 < len(phrase) <= MAX_PHRASE_CHARS)
