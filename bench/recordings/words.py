"""Makes the words of texts comparable."""

import re
from typing import Final

_NOT_IN_WORDS: Final = re.compile(r"[^a-z0-9' ]+")


def normalized(text: str) -> str:
    """The text in lower case and without punctuation, with single spaces between its words."""
    return " ".join(_NOT_IN_WORDS.sub(" ", text.lower().replace("-", " ")).split())
