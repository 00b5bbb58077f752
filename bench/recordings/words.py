"""Makes the words of texts comparable."""

import re
from typing import Final

_APART: Final = re.compile(r"[^a-z0-9' ]+")


def plain(text: str) -> str:
    """Lower-case words without punctuation, single spaces between them."""
    return " ".join(_APART.sub(" ", text.lower().replace("-", " ")).split())
