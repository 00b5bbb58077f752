"""Says of a growing text only what is new and will never change."""

from dalston_realtime.protocol.events import Partial


class StableDelta:
    """The suffixes of one text, for clients that join them: together they are the text."""

    def __init__(self) -> None:
        self.sent = ""

    def of_partial(self, partial: Partial, before: str = "") -> str:
        """What of `before` (held finals, with the space behind them) and the partial is new and stable."""
        return self._advance_to(before + partial.text[: partial.stable or 0])

    def of_final(self, text: str) -> str:
        """What is left of the final text, which what was sent begins."""
        return self._advance_to(text)

    def _advance_to(self, text: str) -> str:
        if not text.startswith(self.sent):
            return ""
        delta, self.sent = text[len(self.sent) :], text
        return delta
