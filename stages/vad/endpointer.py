"""Finds the boundaries of one session's utterances from speech probabilities, as a state machine."""

import math
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Literal, TypeAlias

from engines.silero import WINDOW
from stages.endpoint_rules import SILENT, UNREAD, EndpointRules
from stages.messages import EndKind
from stages.vad.adaptive_delay import AdaptiveEndpointDelay


@dataclass(frozen=True, slots=True)
class Started:
    """Speech began at `at`; its audio is to be decoded from `start` on.

    That `overlaps` the utterance before where speech goes on behind an input time-out.
    """

    at: int
    start: int
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """Speech ended, or may have ended, at `at`; decode up to `until`.

    A `cut` goes on with the next utterance at `resume`; after an end none begins before.
    """

    at: int
    until: int
    kind: EndKind
    resume: int


Boundary: TypeAlias = Started | Ended


@dataclass(slots=True)
class Endpointer:
    """Finds the utterances of one session, window by window. `min_silence` may change at any time."""

    rules: EndpointRules
    min_silence: int | None  # samples of silence that end an utterance; None: it follows the speaker
    in_speech: bool = False
    position: int = 0  # end of the last window
    decoded: int = 0  # what an earlier utterance has decoded is not decoded again
    _start: int = 0  # of the utterance's audio
    _candidate: int | None = None  # where speech may have begun
    _silent_from: int | None = None
    _eager_until: int | None = None
    _likely_until: int | None = None
    _resume: int | None = None  # where an utterance begins that goes on behind an input time-out
    _energies: deque[tuple[int, float]] = field(default_factory=deque)  # window start, energy
    _delay: AdaptiveEndpointDelay = field(default_factory=AdaptiveEndpointDelay)
    _needed: int | None = None  # samples that the silence has to last, once its text is known
    _unfinished_at: int | None = None  # where the last utterance ended, if its sentence seemed unfinished

    def feed(self, probability: float, energy: float) -> list[Boundary]:
        """Take the next window: its speech probability and its mean square, in any unit."""
        start, self.position = self.position, self.position + WINDOW
        if not self.in_speech:
            return self._feed_idle(start, probability)
        self._append_energy(start, energy)
        if probability >= self.rules.speech:
            self._on_speech(start)
        elif probability < self.rules.silence and self._silent_from is None:
            self._silent_from = start
        return self._feed_silence() if self._silent_from is not None else self._feed_speech()

    def on_text_end(self, at: int, finished: float | None) -> list[Boundary]:
        """The sentence before the silence since `at` is over so likely: that may end it already.

        What is said of another silence changes nothing.
        """
        if self._silent_from != at:
            return []
        self._needed = self._delay.required_silence(finished)
        return self._feed_silence()

    def flush(self, position: int) -> list[Boundary]:
        """End what is being said now, with all audio up to `position`; nothing if nothing is."""
        self._candidate = None
        if not self.in_speech:
            return []
        if self._silent_from is None:
            return [self._end(position, position, "flush")]
        return [self._end(self._silent_from, self._likely_until or self._eager_until or position, "flush")]

    def end_without_input(self, position: int) -> list[Boundary]:
        """End what is being said, since no audio comes behind `position`; nothing if nothing is said.

        Speech that goes on there when audio comes again was ended in the middle of a word: the next
        utterance then begins a little earlier, as behind a cut.
        """
        self._candidate = None
        if not self.in_speech:
            return []
        if self._silent_from is not None:
            return [self._end(self._silent_from, self._likely_until or position, "end")]
        resume = max(self._start, self._overlap(position))
        end = self._end(position, position, "end")
        self._resume = resume
        return [replace(end, resume=resume)]

    def drop_resume(self) -> None:
        """What comes now does not go on with what was said before the input time-out."""
        self._resume = None

    def _feed_idle(self, start: int, probability: float) -> list[Boundary]:
        if probability < self.rules.silence:
            self._candidate = None
        elif (
            probability >= self.rules.speech
            and self._candidate is None
            and not self._is_mostly_decoded(start)
        ):
            self._candidate = start
        if self._candidate is None or self.position - self._candidate < self.rules.min_speech:
            return []
        at, self._candidate, self.in_speech = self._candidate, None, True
        return [self._begin(at)]

    def _is_mostly_decoded(self, start: int) -> bool:
        """Whether the speech in a window is rather that of the utterance which a flush ended in it."""
        return self.decoded - start > WINDOW // 2

    def _begin(self, at: int) -> Started:
        if self._unfinished_at is not None:
            self._delay.append_pause(at - self._unfinished_at)
        resume, self._resume = self._resume, None
        self._start = max(at - self.rules.preroll, self.decoded, 0)
        if resume is None or at - self.rules.preroll > self.decoded:
            return Started(max(at, self._start), self._start)
        self._start = resume
        return Started(max(at, self.decoded), resume, overlaps=True)

    def _feed_silence(self) -> list[Boundary]:
        assert self._silent_from is not None
        silence = self.position - self._silent_from
        if silence >= self._required_silence() or self._is_too_long():
            return [self._end(self._silent_from, self._likely_until or self.position, "end")]
        if silence >= self.rules.likely and self._likely_until is None:
            self._likely_until = self.position
            return [Ended(self._silent_from, self.position, "likely", self.position)]
        if silence >= self.rules.eager and self._eager_until is None:
            self._eager_until = self.position
            return [Ended(self._silent_from, self.position, "eager", self.position)]
        return []

    def _required_silence(self) -> int:
        if self.min_silence is not None:
            return self.min_silence - WINDOW // 2  # it began within the last window of speech
        return UNREAD if self._needed is None else self._needed

    def _on_speech(self, at: int) -> None:
        """Speech goes on after a silence, if there was one."""
        if self._silent_from is not None and self._likely_until is not None:
            self._delay.append_pause(at - self._silent_from)  # shorter ones lie within words
        self._reset_silence()

    def _feed_speech(self) -> list[Boundary]:
        if not self._is_too_long():
            return []
        # not further back, so that an overlap behind the cut still gets on
        search = min(self.rules.cut_search, self.rules.max_utterance // 4)
        cut, energy = self._quietest(self.position - search, self.position)
        resume = cut
        if energy > self.rules.pause * median(energy for _, energy in self._energies):
            resume = self._overlap(cut)
        self._start, self.decoded = resume, cut
        return [Ended(cut, cut, "cut", resume)]

    def _overlap(self, cut: int) -> int:
        """Where the next utterance begins if speech goes on at `cut`."""
        nearest, farthest = self.rules.overlap
        return self._quietest(cut - farthest, cut - nearest)[0]

    def _is_too_long(self) -> bool:
        return self.position - self._start >= self.rules.max_utterance

    def _quietest(self, low: int, high: int) -> tuple[int, float]:
        """The middle of the quietest two windows that begin between `low` and `high`; their mean energy."""
        inside = [(at, e) for at, e in self._energies if low <= at < high]
        if len(inside) < 2:
            return max(self._start, min(high, self.position)), math.inf
        energy, at = min((a[1] + b[1], b[0]) for a, b in pairwise(inside))
        return at, energy / 2

    def _append_energy(self, start: int, energy: float) -> None:
        self._energies.append((start, energy))
        keep = self.rules.cut_search + self.rules.overlap[1]
        while self._energies[0][0] < start - keep:
            self._energies.popleft()

    def _end(self, at: int, until: int, kind: Literal["end", "flush"]) -> Ended:
        self.in_speech = False
        seems_unfinished = kind == "end" and self._needed is not None and self._needed > SILENT
        self._unfinished_at = at if seems_unfinished else None
        self._reset_silence()
        self.decoded = until
        self._energies.clear()
        return Ended(at, until, kind, until)

    def _reset_silence(self) -> None:
        self._silent_from = self._eager_until = self._likely_until = self._needed = None
