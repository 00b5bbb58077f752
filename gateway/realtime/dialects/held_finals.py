"""Holds finals back for clients that decide by themselves when an utterance ends."""

from collections.abc import Sequence

from dalston_realtime.protocol.events import Final, Partial, Word


class HeldFinals:
    """The finals since the last answer, and the partial behind them."""

    def __init__(self) -> None:
        self.finals: list[Final] = []
        self._partial = ""

    @property
    def text(self) -> str:
        """The finals that are held, joined by single spaces."""
        return join_texts([final.text for final in self.finals])

    @property
    def shown(self) -> str:
        """The same, and the partial behind them."""
        return join_texts([self.text, self._partial])

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of the finals that are held, as far as they have any."""
        return tuple(word for final in self.finals for word in final.words or ())

    def show(self, partial: Partial) -> str:
        """All that is not answered yet, with a new partial at its end."""
        self._partial = partial.text
        return self.shown

    def hold(self, final: Final) -> None:
        """Keep a final; the partial of before became it."""
        self._partial = ""
        if final.text:
            self.finals.append(final)

    def release(self) -> "HeldFinals":
        """What is held, which is held no more."""
        released = HeldFinals()
        released.finals, self.finals = self.finals, []
        self._partial = ""
        return released


def join_texts(texts: Sequence[str]) -> str:
    """The texts that are not empty, joined by single spaces."""
    return " ".join(text for text in texts if text)
