"""Writes a transcript as the text of a txt, json, srt or vtt file."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from typing import Final as Constant

from dalston_realtime.client.indented_json import indented_json
from dalston_realtime.client.results.transcript import SessionTranscript, as_json
from dalston_realtime.protocol.events import Final, Word

if TYPE_CHECKING:
    from pysubs2 import SSAEvent  # is loaded where subtitles are written

LINE_CHARS: Constant = 42  # Characters of a line, the common limit of subtitles.
CUE_CHARS: Constant = 2 * LINE_CHARS  # Characters of a cue: more than two lines cover the picture.
CUE_SECONDS: Constant = 7.0  # Seconds that a cue stays at most: one that stays longer is read twice.

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


@dataclass(frozen=True, slots=True)
class Cue:
    """A line of text and when it is shown, in seconds."""

    start: float
    end: float
    text: str


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
    """A cue as pysubs2 has it: in whole milliseconds, and ending after it starts."""
    from pysubs2 import SSAEvent

    start, end = round(cue.start * 1000), round(cue.end * 1000)
    text = escape(_wrapped(_BREAKS.sub("\\\\\u2060", cue.text)))
    return SSAEvent(start=start, end=max(start + 1, end), text=text)


def cues(finals: Sequence[Final]) -> Iterator[Cue]:
    """The finals as cues: a long one is split between words where its words have times.

    Without times for its words a final stays whole; a final without times of its own begins
    and ends where the one before it ended. No cue starts before the one before it.
    """
    started = ended = 0.0
    for final in finals:
        for start, end, text in _timed_texts(final):
            started = max(started, ended if start is None else start)
            ended = max(started, started if end is None else end)
            yield Cue(started, ended, text)


def plain(text: str) -> str:
    """`text` as one line: no control characters, single spaces."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split())


def _timed_texts(final: Final) -> Iterator[tuple[float | None, float | None, str]]:
    """The start, the end and the text of each part of a final that fits a cue."""
    text = plain(final.text)
    if not text:
        return
    groups = list(_grouped([word for word in final.words or () if plain(word.word)]))
    if len(groups) > 1 and plain(" ".join(w.word for g in groups for w in g)) == text:
        for group in groups:
            yield group[0].start, group[-1].end, plain(" ".join(w.word for w in group))
    else:
        yield final.start, final.end, text


def _grouped(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Words in groups that fit a cue; nothing where a word has no time."""
    if any(word.start is None or word.end is None for word in words):
        return
    group: list[Word] = []
    for word in words:
        if group and not _fits([*group, word]):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _fits(words: Sequence[Word]) -> bool:
    chars = sum(len(word.word) + 1 for word in words) - 1
    start, end = words[0].start or 0.0, words[-1].end or 0.0
    return chars <= CUE_CHARS and end - start <= CUE_SECONDS


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, LINE_CHARS, break_long_words=False, break_on_hyphens=False))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_WRITERS: Constant[dict[Format, Callable[[SessionTranscript], str]]] = {
    Format.TXT: to_txt,
    Format.JSON: to_json,
    Format.SRT: to_srt,
    Format.VTT: to_vtt,
}
