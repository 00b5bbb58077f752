"""The sessions of one gateway, saved in one call whatever happens to them meanwhile."""

import asyncio
from typing import Any

from gateway.ledger import Ledger
from gateway.vault import Vault


class Kept:
    """A session with a ledger."""

    def __init__(self, name: str) -> None:
        self.id, self.ledger = name, Ledger()

    def prepare(self) -> None:
        """Write what changes all the time."""
        self.ledger.set("meta", b"m")

    def taken_over(self) -> None:
        """Not in these tests."""


class FakeScripts:
    """Takes everything, and remembers it."""

    available = True

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    async def run(self, _name: str, *arguments: Any) -> list[str]:
        """Keep all."""
        self.calls.append(arguments[2:])
        return ["kept"] * sum(argument in ("all", "changes") for argument in arguments)


def test_a_session_that_ends_between_two_saves_does_not_keep_others_from_theirs() -> None:
    async def main() -> list[tuple[Any, ...]]:
        scripts: Any = FakeScripts()
        vault = Vault(scripts, "redis://nowhere", 30.0)
        over, lives = Kept("over"), Kept("lives")
        for session in (over, lives):
            vault.watch(session)
            session.ledger.set("a0", b"audio")
        await vault.save()
        for session in (over, lives):
            session.ledger.set("a1", b"more")
            session.ledger.delete("a0")
        over.ledger.clear()
        await vault.save()
        await vault.close()
        calls: list[tuple[Any, ...]] = scripts.calls
        return calls

    first, second = asyncio.run(main())
    assert first.count("all") == 2
    assert second[:3] == ("lives", "changes", 2)
    assert "over" not in second


def test_what_a_client_waits_for_is_saved_at_once_and_the_rest_in_its_time() -> None:
    async def main() -> list[tuple[Any, ...]]:
        scripts: Any = FakeScripts()
        vault = Vault(scripts, "redis://nowhere", 30.0)
        sessions = [Kept("a"), Kept("b")]
        for session in sessions:
            vault.watch(session)
        saving = asyncio.create_task(vault.run())
        await vault.commit("a")  # the first of all saves is of both
        for session in sessions:
            session.ledger.set("w0", b"event")
        await vault.commit("a")
        await vault.commit("nobody")
        until = asyncio.get_running_loop().time() + 5
        while len(scripts.calls) < 3 and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)
        saving.cancel()
        await vault.close()
        calls: list[tuple[Any, ...]] = scripts.calls
        return calls

    both, one, rest = asyncio.run(main())
    assert {"a", "b"} <= set(both)
    assert (one[0], "b" in one) == ("a", False)
    assert (rest[0], "a" in rest) == ("b", False)


def test_a_ledger_that_is_cleared_has_nothing_to_save() -> None:
    ledger = Ledger({"a": b"1"})
    ledger.set("b", b"2")
    ledger.delete("a")
    ledger.clear()
    assert not ledger.dirty
    assert ledger.take() == ({}, [])
    ledger.set("c", b"3")
    assert ledger.take() == ({"c": b"3"}, [])
