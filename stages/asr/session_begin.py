"""Builds `session.begin`: what the client asked for, and what the model that serves it gives."""

from dalston_realtime.protocol.events import SessionBegin
from dalston_realtime.protocol.models import ModelInfo
from stages.messages import Open


def session_begin(opened: Open, info: ModelInfo) -> SessionBegin:
    """The first event of a session that a model serves."""
    features = info.features
    language = opened.language
    if language == "auto" and len(info.languages) == 1:
        language = info.languages[0]
    return SessionBegin(
        session_id=opened.session_id,
        model=info.name,
        variant=info.variant,
        language=language,
        config={
            "interim_results": opened.interim_results and features["interim_results"],
            "enable_vad": opened.enable_vad or features["requires_vad"],
            "word_timestamps": opened.word_timestamps and features["word_timestamps"],
            "min_silence_ms": opened.min_silence_ms,
            "vocabulary": opened.vocabulary if features["vocabulary"] else (),
            "timing": opened.timing,
        }
        | ({"channel_mode": "separate", "channels": len(opened.channels)} if opened.channels else {}),
        features=dict(features),
    )
