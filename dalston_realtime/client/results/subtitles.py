"""A transcript in; the text of a txt, json, srt or vtt file out."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

from dalston_realtime.client.events import Final, Word
from dalston_realtime.client.results.transcript import SessionTranscript, as_json

LINE_CHARS = 42  # the common limit of a subtitle line
CUE_CHARS = 2 * LINE_CHARS
CUE_SECONDS = 7.0  # a cue that stays longer is read twice
SHORTEST = 0.001  # s; a cue must end after it starts


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
    return orjson.dumps(as_json(transcript), option=orjson.OPT_INDENT_2).decode() + "\n"


def to_srt(transcript: SessionTranscript) -> str:
    """SubRip. It has no escapes, so the arrow that separates times becomes another one."""
    blocks = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n"
        f"{_wrapped(cue.text.replace('-->', '→'))}\n"
        for number, cue in enumerate(cues(transcript.finals), start=1)
    )
    return "\n".join(blocks)


def to_vtt(transcript: SessionTranscript) -> str:
    """WebVTT; `&`, `<` and `>` are escaped as it asks for."""
    blocks = (
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_escaped(_wrapped(cue.text))}\n"
        for cue in cues(transcript.finals)
    )
    return "WEBVTT\n" + "".join(blocks)


def cues(finals: Sequence[Final]) -> Iterator[Cue]:
    """The finals as cues: a long one is split between words where its words have times.

    Without times for its words a final stays whole; a final without times of its own begins
    and ends where the one before it ended.
    """
    before = 0.0
    for final in finals:
        for cue in _cues_of(final, before):
            before = cue.end
            yield cue


def plain(text: str) -> str:
    """`text` as one line: no control characters, single spaces."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split())


def _cues_of(final: Final, before: float) -> Iterator[Cue]:
    text = plain(final.text)
    if not text:
        return
    groups = list(_grouped([word for word in final.words or () if plain(word.word)]))
    if len(groups) > 1 and plain(" ".join(w.word for g in groups for w in g)) == text:
        for group in groups:
            yield _cue(group[0].start, group[-1].end, plain(" ".join(w.word for w in group)), before)
    else:
        yield _cue(final.start, final.end, text, before)


def _cue(start: float | None, end: float | None, text: str, before: float) -> Cue:
    begin = max(0.0, before if start is None else start)
    return Cue(begin, max(begin + SHORTEST, begin if end is None else end), text)


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


def _clock(seconds: float, point: str) -> str:
    """`00:01:02,345`; hours grow as they must."""
    whole, ms = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}{point}{ms:03}"


_WRITERS: dict[Format, Callable[[SessionTranscript], str]] = {
    Format.TXT: to_txt,
    Format.JSON: to_json,
    Format.SRT: to_srt,
    Format.VTT: to_vtt,
}
