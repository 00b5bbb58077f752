"""Holds one turn of a conversation as Flux describes it: finals, and the open partial behind them."""

from typing import Any

from dalston_realtime.protocol.events import Final, Partial, Word
from gateway.realtime.dialects.deepgram_results import UNKNOWN_CONFIDENCE
from gateway.realtime.dialects.held_finals import join_texts
from gateway.spoken_words import words_of


class FluxTurn:
    """The turn with this number; it is open as soon as it has text."""

    def __init__(self, index: int = 0) -> None:
        self.is_eager = False  # Whether its client was told that it may be over.
        self._index = index
        self._finals: list[Final] = []
        self._partial = ""
        self._start: float | None = None
        self.end = 0.0

    @property
    def text(self) -> str:
        """All that was said in it."""
        return join_texts([*(final.text for final in self._finals), self._partial])

    def following(self) -> "FluxTurn":
        """The next turn."""
        after = FluxTurn(self._index + 1)
        after.end = self.end
        return after

    def show(self, partial: Partial) -> bool:
        """Take the open partial; whether the turn begins with it."""
        begins = self._extend(partial)
        self._partial = partial.text
        return begins

    def add(self, final: Final) -> bool:
        """Take a final in place of the open partial; whether the turn begins with it."""
        begins = self._extend(final)
        self._finals.append(final)
        self._partial = ""
        return begins

    def fields(self) -> dict[str, Any]:
        """What every message about it has."""
        words = [word for final in self._finals for word in words_of(final)]
        words += [Word(word=word) for word in self._partial.split()]
        return {
            "turn_index": self._index,
            "audio_window_start": self._start or 0.0,
            "audio_window_end": self.end,
            "transcript": self.text,
            "words": [_flux_word(word) for word in words],
        }

    def _extend(self, event: Partial | Final) -> bool:
        begins = not self.text
        if begins:
            self._start = self.end if event.start is None else event.start
        self.end = event.end or self.end  # A partial may hear further than the final, which ends at a word.
        self.is_eager = False
        return begins


def _flux_word(word: Word) -> dict[str, Any]:
    confidence = UNKNOWN_CONFIDENCE if word.confidence is None else word.confidence
    times = {"start": word.start, "end": word.end}
    known = {name: time for name, time in times.items() if time is not None}
    return {"word": word.word, "confidence": confidence, **known}
