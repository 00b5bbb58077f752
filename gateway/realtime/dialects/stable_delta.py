"""Says of a growing text only what is new and will never change."""


class StableDelta:
    """The suffixes of one text, for clients that join them: together they are the text."""

    def __init__(self) -> None:
        self.sent = ""

    def advance_to(self, text: str) -> str:
        """What `text`, of which nothing will change any more, has beyond what was sent."""
        if not text.startswith(self.sent):
            return ""
        delta, self.sent = text[len(self.sent) :], text
        return delta
