"""Builds messages, with defaults for what a test does not care about."""

from typing import Any, Literal

import numpy as np

from dalston_realtime.protocol.events import Event, encode_event
from stages.channels import Packet
from stages.messages import (
    Audio,
    Close,
    Configure,
    EncodedEvent,
    EndKind,
    Flush,
    Hypothesis,
    InputTimedOut,
    Open,
    Route,
    Stamps,
    TextEnd,
    UtteranceEnd,
    UtteranceStart,
)

ROUTE: Route = (0, 0, 0, 0)
SECOND = 16_000  # samples


def opened(session: str = "s", **changes: Any) -> Open:
    """A session with the protocol's defaults."""
    values: dict[str, Any] = {
        "model": "fast",
        "language": "auto",
        "interim_results": True,
        "enable_vad": True,
        "word_timestamps": False,
        "min_silence_ms": 300,
        "vocabulary": (),
        "timing": False,
    }
    return Open(session, ROUTE, **{"session_id": session} | values | changes)


def pcm(values: Any) -> bytes:
    """Samples as they travel: s16le."""
    return np.asarray(values, "<i2").tobytes()


def audio(start: int, samples: bytes | int, session: str = "s", stamps: Stamps = ()) -> Packet:
    """Audio from sample `start` on; a number of samples counts up from 1 at `start`."""
    if isinstance(samples, int):
        samples = pcm((np.arange(start, start + samples) % 30_000) + 1)
    return Audio(session, ROUTE, start, stamps), samples


def flush(name: str = "f", session: str = "s", stamps: Stamps = ()) -> Flush:
    """A client's flush."""
    return Flush(session, ROUTE, name, stamps)


def input_timed_out(session: str = "s", stamps: Stamps = ()) -> InputTimedOut:
    """A client's audio stopped coming."""
    return InputTimedOut(session, ROUTE, stamps)


def close(
    received: int = 0,
    reason: Literal["end", "gone"] = "end",
    session: str = "s",
    stamps: Stamps = (),
) -> Close:
    """The end of a session."""
    return Close(session, ROUTE, reason, received, stamps)


def configure(session: str = "s", **changes: Any) -> Configure:
    """A client's change."""
    values: dict[str, Any] = {"language": "auto", "interim_results": True, "min_silence_ms": 300}
    return Configure(session, ROUTE, **values | changes)


def speech_start(
    utterance: int = 1, at: int = 0, session: str = "s", *, overlaps: bool = False
) -> UtteranceStart:
    """An utterance begins."""
    return UtteranceStart(session, ROUTE, utterance, at, overlaps)


def speech_end(
    at: int,
    kind: EndKind = "end",
    *,
    utterance: int = 1,
    until: int | None = None,
    resume: int | None = None,
    flush_id: str | None = None,
    session: str = "s",
    stamps: Stamps = (),
) -> UtteranceEnd:
    """An utterance ends at `at`; decode as far unless told otherwise."""
    until = at if until is None else until
    resume = until if resume is None else resume
    return UtteranceEnd(session, ROUTE, utterance, at, until, kind, resume, until, flush_id, stamps)


def text_end(at: int, finished: float | None = 1.0, session: str = "s") -> TextEnd:
    """What the text says of a silence."""
    return TextEnd(session, ROUTE, at, finished)


def hypothesis(text: str, session: str = "s", **changes: Any) -> Hypothesis:
    """A partial of the first second, unless told otherwise."""
    values: dict[str, Any] = {
        "utterance": 1,
        "start": 0,
        "end": SECOND,
        "decided": SECOND,
        "final": False,
        "overlaps": False,
        "language": None,
        "confidence": None,
        "words": (),
        "flush_id": None,
        "inference_ns": 0,
        "stamps": (),
    }
    return Hypothesis(session=session, route=ROUTE, text=text, **values | changes)


def final(text: str, session: str = "s", **changes: Any) -> Hypothesis:
    """A final of the first second, unless told otherwise."""
    return hypothesis(text, session, **{"final": True} | changes)


def event(event: Event, session: str = "s", **changes: Any) -> Packet:
    """A protocol event on its way to the sender."""
    return EncodedEvent(session, ROUTE, event.type, **changes), encode_event(event)
