"""The sessions of one gateway, saved in one call whatever happens to them meanwhile."""

import asyncio
from typing import Any

import msgpack

from gateway.sessions.change_set import ChangeSet
from gateway.sessions.checkpoint_store import CheckpointStore


class Kept:
    """A session with a ledger."""

    def __init__(self, name: str) -> None:
        self.id, self.ledger = name, ChangeSet()

    def prepare(self) -> None:
        """Write what changes all the time."""
        self.ledger.set("meta", b"m")

    def taken_over(self) -> None:
        """Not in these tests."""


class FakeScripts:
    """Takes everything, and remembers it."""

    available = True

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []

    async def run(self, _name: str, _owner: str, _ttl: int, packed: bytes) -> list[str]:
        """Keep all."""
        self.calls.append(msgpack.unpackb(packed))
        return ["kept"] * len(self.calls[-1])


def test_a_session_that_ends_between_two_saves_does_not_keep_others_from_theirs() -> None:
    async def main() -> list[list[Any]]:
        scripts: Any = FakeScripts()
        vault = CheckpointStore(scripts, "redis://nowhere", 30.0)
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
        calls: list[list[Any]] = scripts.calls
        return calls

    first, second = asyncio.run(main())
    assert [(session, mode) for session, mode, *_ in first] == [("over", "all"), ("lives", "all")]
    [(session, mode, fields, gone)] = second
    assert (session, mode, gone) == ("lives", "changes", ["a0"])
    assert dict(zip(fields[::2], fields[1::2], strict=True)) == {"a1": "more", "meta": "m"}


def test_what_a_client_waits_for_is_saved_at_once_and_the_rest_in_its_time() -> None:
    async def main() -> list[list[Any]]:
        scripts: Any = FakeScripts()
        vault = CheckpointStore(scripts, "redis://nowhere", 30.0)
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
        calls: list[list[Any]] = scripts.calls
        return calls

    both, one, rest = asyncio.run(main())
    assert [[session for session, *_ in call] for call in (both, one, rest)] == [["a", "b"], ["a"], ["b"]]


def test_a_ledger_that_is_cleared_has_nothing_to_save() -> None:
    ledger = ChangeSet({"a": b"1"})
    ledger.set("b", b"2")
    ledger.delete("a")
    ledger.clear()
    assert not ledger.dirty
    assert ledger.take() == ({}, [])
    ledger.set("c", b"3")
    assert ledger.take() == ({"c": b"3"}, [])
