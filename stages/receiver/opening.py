"""Checks a gateway's request for a session, and makes of it the message that opens one in the pipeline."""

from dataclasses import replace
from typing import Final

import msgspec

from dalston_realtime.protocol.audio import ENCODED_BYTES
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import MAX_NAME_CHARS, SessionConfig, parse_query
from runtime.worker_link import BadLinkMessage, OpenSession, ResumePoint, decode_open
from stages.messages import Open, Route

MAX_SAMPLE: Final = 1 << 52  # Samples, thousands of years: more than a session has, and exact everywhere.
CHANNEL_MARK: Final = " "  # Between a connection's name, which has no space, and the number of a channel.
FROM_THE_START: Final = ResumePoint(clock=0, replayed=0, utterance=1)


def read_open(frame: str | bytes) -> OpenSession:
    """The request in a gateway's first frame, of which every value is one that the stages can work with.

    Raises:
        UnknownLinkVersion: it is of another version.
        BadLinkMessage: it is none, or a value of it is out of its range.
    """
    asked = decode_open(frame)
    _check_names(asked)
    if asked.config.encoding not in ENCODED_BYTES:
        raise BadLinkMessage(f"encoding must be samples: gateways decode {asked.config.encoding}")
    config = _checked_config(asked.config)
    _check_resume(asked.resume or FROM_THE_START, config)
    return msgspec.structs.replace(asked, config=config)


def connection_key(asked: OpenSession) -> str:
    """The name of this connection in the pipeline; one session may have two for a moment."""
    return f"{asked.session_id}.{asked.link_id}" if asked.link_id else asked.session_id


def connection_of(key: str) -> str:
    """The name of the connection that a session's, or a channel's, key in the pipeline belongs to."""
    return key.partition(CHANNEL_MARK)[0]


def openings(asked: OpenSession, route: Route) -> tuple[Open, ...]:
    """The messages that open a session in the pipeline: one, or one for each separate channel."""
    whole = connection_key(asked)
    keys = tuple(f"{whole}{CHANNEL_MARK}{number}" for number in range(asked.config.separate))
    points = _points(asked)
    if not keys:
        return (_opening(asked, route, whole, points[0]),)
    opened = (_opening(asked, route, *each) for each in zip(keys, points, strict=True))
    return tuple(replace(each, channels=keys) for each in opened)


def _points(asked: OpenSession) -> list[ResumePoint]:
    """Where each channel goes on; a channel that was ahead of the others begins later."""
    resume = asked.resume or FROM_THE_START
    count = max(1, asked.config.separate)
    return [resume, *resume.others] if resume.others else [resume] * count


def _opening(asked: OpenSession, route: Route, key: str, resume: ResumePoint) -> Open:
    config = asked.config
    return Open(
        session=key,
        route=route,
        session_id=asked.session_id,
        model=config.model,
        language=config.language,
        interim_results=config.interim_results,
        enable_vad=config.enable_vad,
        word_timestamps=config.word_timestamps,
        min_silence_ms=config.min_silence_ms,
        vocabulary=config.vocabulary,
        timing=config.timing,
        start=resume.clock,
        utterance=resume.utterance,
        previous_words=resume.previous_words,
        overlaps=resume.overlaps,
        stable_words=resume.stable_words,
        partial_shown=resume.partial_shown,
        replayed=resume.replayed,
        degraded=asked.degraded,
    )


def _check_names(asked: OpenSession) -> None:
    if not _is_name(asked.session_id) or (asked.link_id and not _is_name(asked.link_id)):
        raise BadLinkMessage(
            f"session_id and link_id must be of at most {MAX_NAME_CHARS} printable characters without spaces"
        )


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME_CHARS and text.isprintable() and " " not in text


def _checked_config(config: SessionConfig) -> SessionConfig:
    """The types are right by now; ranges and spelling are those of the query parameters of the same names."""
    values = msgspec.structs.asdict(config).items()
    try:
        return parse_query({name: _as_query(value) for name, value in values if value is not None})
    except InvalidParameter as error:
        raise BadLinkMessage(error.message) from None


def _as_query(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _check_resume(resume: ResumePoint, config: SessionConfig) -> None:
    if resume.others and len(resume.others) + 1 != config.separate:
        raise BadLinkMessage("others must have a point for each separate channel but the first")
    for each in (resume, *resume.others):
        _check_point(each)


def _check_point(resume: ResumePoint) -> None:
    if not (0 <= resume.clock < MAX_SAMPLE and 0 <= resume.replayed < MAX_SAMPLE):
        raise BadLinkMessage("clock and replayed must be indices of samples")
    if not 0 <= resume.age < MAX_SAMPLE:
        raise BadLinkMessage("age must be the seconds since the session began")
    if not 1 <= resume.utterance < MAX_SAMPLE:
        raise BadLinkMessage("utterance must be a number from 1")
    if not all(map(_is_word, (*resume.previous_words, *resume.stable_words))):
        raise BadLinkMessage("previous_words and stable_words must be lists of single words")


def _is_word(text: str) -> bool:
    return text.split() == [text]
