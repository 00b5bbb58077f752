"""Writes a transcript as the text of a txt, json, srt or vtt file."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING
from typing import Final as Constant

from dalston_realtime.client.indented_json import indented_json
from dalston_realtime.client.results.cues import Cue, cues, plain, wrapped
from dalston_realtime.client.results.transcript import SessionTranscript, as_json

if TYPE_CHECKING:
    from pysubs2 import SSAEvent  # is loaded where subtitles are written

_NUMBERS: Constant = re.compile(r"^\d+\n(?=\S+ --> )", re.MULTILINE)
"""The line of a cue's number: it stands before the line with the arrow, and no text has one in VTT."""

_BREAKS: Constant = re.compile(r"\\(?=[nNhp])")
"""What pysubs2 takes for a line break, a space or a drawing, and is a backslash of the text here.

A word joiner behind the backslash, which is not seen, says so.
"""


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
    return "".join(f"{plain(final.text)}\n" for final in transcript.finals)


def to_json(transcript: SessionTranscript) -> str:
    """The transcript as an indented JSON object."""
    return indented_json(as_json(transcript)) + "\n"


def to_srt(transcript: SessionTranscript) -> str:
    """SubRip. It has no escapes, so the arrow that separates times becomes another one."""
    return _formatted(transcript, "srt", lambda text: text.replace("-->", "→"))


def to_vtt(transcript: SessionTranscript) -> str:
    """WebVTT; `&`, `<` and `>` are escaped as it asks for. Cues have no numbers, which it does not need."""
    return _NUMBERS.sub("", _formatted(transcript, "vtt", _escaped))


def _formatted(transcript: SessionTranscript, form: str, escape: Callable[[str], str]) -> str:
    """The cues as pysubs2 writes them, with one line break at the end."""
    from pysubs2 import SSAFile

    file = SSAFile()
    file.events = [_subtitle(cue, escape) for cue in cues(transcript.finals)]
    text = file.to_string(form, keep_ssa_tags=True).rstrip("\n")
    return text + "\n" if text else ""


def _subtitle(cue: Cue, escape: Callable[[str], str]) -> "SSAEvent":
    """A cue as pysubs2 has it: in whole milliseconds."""
    from pysubs2 import SSAEvent

    start, end = round(cue.start * 1000), round(cue.end * 1000)
    text = "\n".join(escape(_BREAKS.sub("\\\\\u2060", line)) for line in wrapped(cue.text))
    return SSAEvent(start=start, end=end, text=text)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_WRITERS: Constant[dict[Format, Callable[[SessionTranscript], str]]] = {
    Format.TXT: to_txt,
    Format.JSON: to_json,
    Format.SRT: to_srt,
    Format.VTT: to_vtt,
}
