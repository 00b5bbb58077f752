"""Keeps the labels of speakers over several passes: a name that somebody gave stays with its voice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

SHARE: Final = 0.5  # Share of the shorter of two speakers' time that must be common for them to be one.


@dataclass(frozen=True, slots=True)
class SpokenSpan:
    """A time in seconds in which a speaker speaks."""

    start: float
    end: float
    speaker: str


def stable_labels(before: Sequence[SpokenSpan], now: Sequence[SpokenSpan]) -> dict[str, str]:
    """The label of each speaker of `now`: that of the one of `before` who speaks at the same time.

    Each label is given once, to who shares the most time with it. Others get the next free one, `S1`, `S2`,
    by their first word.
    """
    common = _common_seconds(before, now)
    lengths = {"before": _seconds(before), "now": _seconds(now)}
    labels: dict[str, str] = {}
    for (old, new), seconds in sorted(common.items(), key=lambda item: (-item[1], item[0])):
        enough = seconds >= SHARE * min(lengths["before"][old], lengths["now"][new])
        if enough and new not in labels and old not in labels.values():
            labels[new] = old
    used = {span.speaker for span in before}
    free = (f"S{number}" for number in range(1, len(used) + len(lengths["now"]) + 1))
    unused = iter([label for label in free if label not in used])
    for span in sorted(now, key=lambda span: (span.start, span.end)):
        if span.speaker not in labels:
            labels[span.speaker] = next(unused)
    return labels


def _seconds(spans: Iterable[SpokenSpan]) -> dict[str, float]:
    found: dict[str, float] = {}
    for span in spans:
        found[span.speaker] = found.get(span.speaker, 0.0) + span.end - span.start
    return found


def _common_seconds(before: Sequence[SpokenSpan], now: Sequence[SpokenSpan]) -> dict[tuple[str, str], float]:
    """The seconds in which two speakers both speak; the spans are gone through once, by their starts."""
    found: dict[tuple[str, str], float] = {}
    old, open_spans = sorted(before, key=lambda span: span.start), list[SpokenSpan]()
    at = 0
    for new in sorted(now, key=lambda span: span.start):
        while at < len(old) and old[at].start < new.end:
            open_spans.append(old[at])
            at += 1
        open_spans = [span for span in open_spans if span.end > new.start]
        for span in open_spans:
            seconds = min(span.end, new.end) - max(span.start, new.start)
            if seconds > 0:
                pair = span.speaker, new.speaker
                found[pair] = found.get(pair, 0.0) + seconds
    return found
