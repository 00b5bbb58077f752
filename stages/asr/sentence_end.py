"""Says how likely a sentence is over, from its text."""

import re
from typing import Final

_WORDS: Final = (
    "a an the my your our their every and or but nor because if unless although while whereas than as"
    " of to for from with by at into onto upon about i he she we they who which whose um uh er erm"
)
UNFINISHED: Final = frozenset(_WORDS.split())
"""English words that need another one behind them: few sentences end on them."""

_SENTENCE_END: Final = re.compile(r"[.!?。！？][\"'”’)\]]*$")
_BREAK: Final = re.compile(r"(?:[,;:、，；：–—-]|\.\.|…)[\"'”’)\]]*$")
_LAST_WORD: Final = re.compile(r"([^\W\d_]+)\W*$")


def likelihood(text: str, finished: float | None, language: str) -> float | None:
    """How likely a sentence is over with this text, 0..1; None where nothing says so.

    `finished` is what the engine says, None where it does not. The words count in English only.
    """
    if not text:
        return None
    word = _LAST_WORD.search(text)
    if language == "en" and word is not None and word[1].lower() in UNFINISHED:
        return 0.0
    if finished is not None:
        return finished
    if _BREAK.search(text):
        return 0.0
    return 1.0 if _SENTENCE_END.search(text) else None
