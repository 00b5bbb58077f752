"""Finds the names with which speakers introduce themselves: "my name is Maria", "this is Maria speaking".

A name that is wrong is worse than none, so only plain forms count, and only names with a capital letter that
are no ordinary words. `I'm Maria` counts where nothing else can be meant by it: with a greeting before it.
"""

import re
from collections.abc import Iterable
from typing import Final

_GREETING: Final = r"(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|welcome)\b[^.!?]{0,40}?[,.!]?\s+"
_WHO: Final = r"(?:everyone|everybody|all|there|folks)?,?\s*(?:this is|i'm|i’m|i am)"
_NAME: Final = r"(?P<name>[A-Z][\w'’-]+(?: [A-Z][\w'’-]+){0,2})"
_FORMS: Final = tuple(
    re.compile(form)
    for form in (
        rf"(?i:\bmy name is|\bmy name's|\bmy name’s) {_NAME}",
        rf"(?i:\bthis is) {_NAME},?(?i: speaking| calling| here| from\b)",
        rf"(?i:{_GREETING}{_WHO}) {_NAME}(?=[.,!]|$| and\b| from\b)",
    )
)
_AT_THE_BEGIN: Final = re.compile(rf"^(?i:this is) {_NAME}[.!]?$")
"""Said as a whole, which may also be what a picture shows: it counts as the first words of a voice alone."""

NO_NAMES: Final = frozenset(
    (
        "a", "an", "and", "but", "here", "his", "her", "i", "it", "its", "mr", "mrs", "ms", "my", "no",
        "not", "ok", "okay", "our", "she", "he", "so", "that", "the", "their", "they", "this", "very", "we",
        "well", "yes", "you", "your", "all", "good", "great", "fine", "sorry", "sure", "happy", "glad",
        "back", "done", "ready", "just", "really", "going", "monday", "tuesday", "wednesday", "thursday",
        "friday", "saturday", "sunday", "january", "february", "march", "april", "may", "june", "july",
        "august", "september", "october", "november", "december", "english", "french", "german", "spanish",
        "american", "british", "god", "jesus", "christmas",
    )
)  # fmt: skip
"""Ordinary words that a recognizer writes with a capital letter."""


def introduced_name(texts: Iterable[str]) -> str | None:
    """The name with which one speaker introduces themselves in what they say, in its order; None where there
    is none, or where they give two different ones."""
    found = {name for number, text in enumerate(texts) for name in _names_in(text, first=number == 0)}
    shortest = min(found, key=len, default=None)
    if shortest is None or any(name.split()[0] != shortest.split()[0] for name in found):
        return None
    return max(found, key=len)


def _names_in(text: str, *, first: bool) -> Iterable[str]:
    for form in (*_FORMS, _AT_THE_BEGIN) if first else _FORMS:
        for match in form.finditer(text):
            if name := _without_ordinary(match["name"]):
                yield name


def _without_ordinary(name: str) -> str:
    """The words of a name up to the first that is an ordinary one."""
    kept: list[str] = []
    for word in name.removesuffix("'s").removesuffix("’s").split():
        if word.lower() in NO_NAMES:
            break
        kept.append(word)
    return " ".join(kept)
