"""Removes the repetition at the end of a text that a model has not ended by itself."""

from itertools import takewhile


def remove_repetition(tokens: list[int]) -> list[int]:
    """The tokens without what is repeated three times or more at their end; its first occurrence stays."""
    for period in range(1, len(tokens) // 2 + 1):
        tail = zip(reversed(tokens), reversed(tokens[:-period]), strict=False)
        repeated = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], tail))
        if repeated >= max(period, 3):
            return tokens[: len(tokens) - repeated]
    return tokens
