"""A gateway's request for a session in, the message that opens it in the pipeline out."""

from collections.abc import Mapping
from dataclasses import replace

from dalston_realtime.protocol.parameters import SessionConfig
from stages.messages import Open, Route


def opening(session: str, route: Route, config: SessionConfig) -> Open:
    """The message that opens a session in the pipeline."""
    return Open(
        session,
        route,
        config.model,
        config.language,
        config.interim_results,
        config.enable_vad,
        config.word_timestamps,
        config.min_silence_ms,
        config.vocabulary,
        config.timing,
    )


def reopening(opened: Open, query: Mapping[str, str]) -> Open:
    """`opened` as its gateway says: where it began on another worker, and what its place is worth.

    Bad values are 0 and nothing. `clock` and `replayed` are in samples, `utterance` the next number; the
    rest is as in `Open`, words joined by spaces.
    """
    return replace(
        opened,
        start=_whole(query.get("clock", "0")),
        utterance=max(1, _whole(query.get("utterance", "1"))),
        before=tuple(query.get("before", "").split()),
        overlaps=query.get("overlaps") == "true",
        frozen=tuple(query.get("frozen", "").split()),
        shown=query.get("shown") == "true",
        replayed=_whole(query.get("replayed", "0")),
        degraded=query.get("degraded") == "true",
    )


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
