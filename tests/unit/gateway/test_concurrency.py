"""Coroutines that race."""

import asyncio
from typing import Any

import pytest

from gateway.concurrency import first_of


def test_the_first_outcome_counts_and_the_others_are_gone() -> None:
    gone = []

    async def forever() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            gone.append(True)
        return "never"

    async def fail() -> str:
        raise ValueError("first")

    async def say(word: str) -> str:
        return word

    assert asyncio.run(_first(forever(), say("a"), say("b"))) == "a"
    with pytest.raises(ValueError, match="first"):
        asyncio.run(_first(forever(), fail()))
    assert gone == [True, True]


async def _first(*coroutines: Any) -> str:
    return str(await first_of(*coroutines))
