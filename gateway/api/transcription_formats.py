"""Writes a finished transcript as each of the formats that `POST /v1/audio/transcriptions` knows."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from dalston_realtime.protocol.events import Final, Word
from dalston_realtime.protocol.jobs import EnhancedSegment, EnhancedTranscript, SpokenWord
from dalston_realtime.subtitles.formats import finals_as_srt, finals_as_vtt
from gateway.api.language_names import language_name
from gateway.api.transcription_form import Granularity, ResponseFormat

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


def format_transcript(
    result: EnhancedTranscript, form: ResponseFormat, granularities: frozenset[Granularity]
) -> tuple[bytes, str]:
    """The body and its media type. The clients of OpenAI read JSON only where the type says so."""
    match form:
        case "text":
            return f"{result.text}\n".encode(), TEXT
        case "srt":
            return finals_as_srt(list(_finals(result))).encode(), TEXT
        case "vtt":
            return (finals_as_vtt(list(_finals(result))) or "WEBVTT\n").encode(), TEXT
        case "verbose_json":
            return msgspec.json.encode(_verbose(result, granularities)), JSON
        case "diarized_json":
            return msgspec.json.encode(_diarized(result)), JSON
    return msgspec.json.encode(_plain(result)), JSON


def stream_events(result: EnhancedTranscript, *, speakers: bool) -> Iterator[dict[str, Any]]:
    """The events of a stream: the segments one by one, then the whole text."""
    names = speaker_names(result)
    for number, segment in enumerate(result.segments):
        if speakers:
            yield _diarized_segment(segment, names)
        else:
            text = segment.text if number == 0 else f" {segment.text}"
            yield {"type": "transcript.text.delta", "delta": text}
    yield {"type": "transcript.text.done", "text": result.text}


def speaker_names(result: EnhancedTranscript) -> dict[str, str]:
    """What each speaker is called: the name, where there is one, else the label."""
    return {each.id: each.name or each.id for each in result.speakers}


def _plain(result: EnhancedTranscript) -> dict[str, Any]:
    found = {"text": result.text, "usage": _usage(result)}
    return found | ({"languages": [{"code": result.language}]} if result.language is not None else {})


def _verbose(result: EnhancedTranscript, granularities: frozenset[Granularity]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "task": "transcribe",
        "duration": round(result.duration, 3),
        "text": result.text,
        "usage": _usage(result),
    }
    if result.language is not None:
        found["language"] = language_name(result.language)
    names = speaker_names(result)
    if "segment" in granularities:
        found["segments"] = [_segment(each, names) for each in result.segments]
    if "word" in granularities:
        found["words"] = [_word(word) for each in result.segments for word in each.words]
    return found


def _segment(segment: EnhancedSegment, names: Mapping[str, str]) -> dict[str, Any]:
    found = {"id": segment.id, "start": segment.start, "end": segment.end, "text": segment.text}
    return found | ({"speaker": names.get(segment.speaker, segment.speaker)} if segment.speaker else {})


def _word(word: SpokenWord) -> dict[str, Any]:
    known = {"start": word.start, "end": word.end, "confidence": word.confidence, "speaker": word.speaker}
    return {"word": word.word} | {name: value for name, value in known.items() if value is not None}


def _diarized(result: EnhancedTranscript) -> dict[str, Any]:
    names = speaker_names(result)
    return {
        "task": "transcribe",
        "duration": round(result.duration, 3),
        "text": result.text,
        "segments": [_diarized_segment(each, names) for each in result.segments],
        "usage": _usage(result),
    }


def _diarized_segment(segment: EnhancedSegment, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{segment.id}",
        "start": segment.start,
        "end": segment.end,
        "speaker": names.get(segment.speaker or "", segment.speaker or ""),
        "text": segment.text,
    }


def _usage(result: EnhancedTranscript) -> dict[str, Any]:
    return {"type": "duration", "seconds": round(result.duration, 3)}


def _finals(result: EnhancedTranscript) -> Iterator[Final]:
    """The segments as finals; who has a name is named in front of the text."""
    named = {each.id: each.name for each in result.speakers if each.name}
    for segment in result.segments:
        name = named.get(segment.speaker or "")
        words = tuple(Word(word=each.word, start=each.start, end=each.end) for each in segment.words)
        yield Final(
            text=f"{name}: {segment.text}" if name else segment.text,
            start=segment.start,
            end=segment.end,
            words=None if name or not words else words,
        )
