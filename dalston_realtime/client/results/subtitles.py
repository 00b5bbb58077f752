"""Writes a transcript as the text of a txt, json, srt or vtt file."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final as Constant

from dalston_realtime.client.indented_json import indented_json
from dalston_realtime.client.results.transcript import SessionTranscript, as_json
from dalston_realtime.subtitles.formats import finals_as_srt, finals_as_txt, finals_as_vtt


class Format(StrEnum):
    """What a transcript can be saved as."""

    TXT = "txt"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


def render(transcript: SessionTranscript, form: Format) -> str:
    """The content of a file of this format."""
    return _WRITERS[form](transcript)


def to_txt(transcript: SessionTranscript) -> str:
    """One final a line."""
    return finals_as_txt(transcript.finals)


def to_json(transcript: SessionTranscript) -> str:
    """The transcript as an indented JSON object."""
    return indented_json(as_json(transcript)) + "\n"


def to_srt(transcript: SessionTranscript) -> str:
    """SubRip."""
    return finals_as_srt(transcript.finals)


def to_vtt(transcript: SessionTranscript) -> str:
    """WebVTT."""
    return finals_as_vtt(transcript.finals)


_WRITERS: Constant[dict[Format, Callable[[SessionTranscript], str]]] = {
    Format.TXT: to_txt,
    Format.JSON: to_json,
    Format.SRT: to_srt,
    Format.VTT: to_vtt,
}
