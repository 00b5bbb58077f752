"""Writes finals as plain text, SubRip or WebVTT."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from typing import Final as Constant

from msgspec.structs import replace

from dalston_realtime.protocol.events import Final
from dalston_realtime.subtitles.cues import Cue, cues, plain, wrapped

if TYPE_CHECKING:
    from pysubs2 import SSAEvent  # is loaded where subtitles are written

_NUMBERS: Constant = re.compile(r"^\d+\n(?=\S+ --> )", re.MULTILINE)
"""The line of a cue's number: it stands before the line with the arrow, and no text has one in VTT."""

_BREAKS: Constant = re.compile(r"\\(?=[nNhp])")
"""What pysubs2 takes for a line break, a space or a drawing, and is a backslash of the text here.

A word joiner behind the backslash, which is not seen, says so.
"""


def with_channel(final: Final) -> str:
    """The text of a final, behind the number of its channel where channels are apart; people count from 1."""
    text = plain(final.text)
    return text if final.channel is None else f"Channel {final.channel + 1}: {text}"


def finals_as_txt(finals: Sequence[Final]) -> str:
    """One final a line."""
    return "".join(f"{with_channel(final)}\n" for final in _in_order(finals))


def finals_as_srt(finals: Sequence[Final]) -> str:
    """SubRip. It has no escapes, so the arrow that separates times becomes another one."""
    return _formatted(finals, "srt", lambda text: text.replace("-->", "→"))


def finals_as_vtt(finals: Sequence[Final]) -> str:
    """WebVTT; `&`, `<` and `>` are escaped as it asks for. Cues have no numbers, which it does not need."""
    return _NUMBERS.sub("", _formatted(finals, "vtt", _escaped))


def _formatted(finals: Sequence[Final], form: str, escape: Callable[[str], str]) -> str:
    """The cues as pysubs2 writes them, with one line break at the end."""
    from pysubs2 import SSAFile

    file = SSAFile()
    file.events = [_subtitle(cue, escape) for cue in cues(_named(_in_order(finals)))]
    text = file.to_string(form, keep_ssa_tags=True).rstrip("\n")
    return text + "\n" if text else ""


def _in_order(finals: Sequence[Final]) -> Sequence[Final]:
    """The finals in the order in which they began: those of separate channels come as they end."""
    if all(final.channel is None for final in finals):
        return finals
    return sorted(finals, key=lambda final: final.start or 0.0)


def _named(finals: Sequence[Final]) -> list[Final]:
    """The finals with their channels in the text, for which there are no times of words."""
    return [
        final if final.channel is None else replace(final, text=with_channel(final), words=None)
        for final in finals
    ]


def _subtitle(cue: Cue, escape: Callable[[str], str]) -> "SSAEvent":
    """A cue as pysubs2 has it: in whole milliseconds."""
    from pysubs2 import SSAEvent

    start, end = round(cue.start * 1000), round(cue.end * 1000)
    text = "\n".join(escape(_BREAKS.sub("\\\\\u2060", line)) for line in wrapped(cue.text))
    return SSAEvent(start=start, end=end, text=text)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
