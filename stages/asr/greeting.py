"""What a client hears first: what it asked for, and what the model that serves it gives."""

from typing import Any

from dalston_realtime.protocol.models import ModelInfo
from stages.messages import Open


def session_begin(opened: Open, info: ModelInfo) -> dict[str, Any]:
    """The fields of `session.begin`: what the client asked for, and what it gets."""
    features = info.features
    language = opened.language
    if language == "auto" and len(info.languages) == 1:
        language = info.languages[0]
    return {
        "session_id": opened.session,
        "model": info.name,
        "variant": info.variant,
        "language": language,
        "config": {
            "interim_results": opened.interim_results and features["interim_results"],
            "enable_vad": opened.enable_vad or features["requires_vad"],
            "word_timestamps": opened.word_timestamps and features["word_timestamps"],
            "min_silence_ms": opened.min_silence_ms,
            "vocabulary": list(opened.vocabulary) if features["vocabulary"] else [],
            "timing": opened.timing,
        },
        "features": dict(features),
    }
