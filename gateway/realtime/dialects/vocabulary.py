"""Makes a vocabulary of the phrases that clients of other services give."""

from collections.abc import Iterable

from dalston_realtime.protocol.parameters import MAX_PHRASE_CHARS, MAX_PHRASES


def make_vocabulary(phrases: Iterable[str]) -> tuple[str, ...]:
    """The first phrases, each once, as far as the protocol takes them."""
    kept = (phrase.strip() for phrase in phrases)
    short = dict.fromkeys(phrase for phrase in kept if 0 < len(phrase) <= MAX_PHRASE_CHARS)
    return tuple(short)[:MAX_PHRASES]
