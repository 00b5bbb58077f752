"""The sessions of one gateway, saved in one call whatever happens to them meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from broker.checkpoint_record import HEADER
from broker.checkpoints import CheckpointChange, SaveResult
from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.checkpoint_store import CheckpointStore, Owner
from gateway.sessions.state import SessionState
from tests.support.gateway_parts import MemoryCheckpoints, checkpoint_store
from tests.support.virtual_time import VirtualClock, pass_time, run_virtually


def session(name: str) -> SessionState:
    """A session without anything yet."""
    return SessionState.new(name, SessionConfig())


def test_a_session_that_ends_between_two_saves_does_not_keep_others_from_theirs() -> None:
    async def main(_clock: VirtualClock) -> list[list[CheckpointChange]]:
        checkpoints = MemoryCheckpoints()
        store = checkpoint_store(checkpoints)
        over, lives = session("over"), session("lives")
        for state in (over, lives):
            store.watch(state, lambda: None)
            state.changes.set("a0", b"audio")
        await store.save(["over", "lives"])
        for state in (over, lives):
            state.changes.set("a1", b"more")
            state.changes.delete("a0")
        over.changes.clear()
        await store.save(["over", "lives"])
        await store.close()
        return checkpoints.calls

    first, second = run_virtually(main)
    assert [(change.session_id, change.complete) for change in first] == [("over", True), ("lives", True)]
    (change,) = second
    assert (change.session_id, change.complete, change.removed) == ("lives", False, ["a0"])
    assert change.fields.keys() == {"a1", HEADER}
    assert change.fields["a1"] == b"more"


def test_what_a_client_waits_for_is_saved_at_once_and_the_rest_in_its_time() -> None:
    async def main(_clock: VirtualClock) -> list[list[CheckpointChange]]:
        checkpoints = MemoryCheckpoints()
        store = checkpoint_store(checkpoints)
        states = [session("a"), session("b")]
        for state in states:
            store.watch(state, lambda: None)
        saving = asyncio.create_task(store.run())
        await store.commit("a")  # the first of all saves is of both
        for state in states:
            state.changes.set("w0", b"event")
        await store.commit("a")
        await store.commit("nobody")
        await pass_time(1)
        saving.cancel()
        await store.close()
        return checkpoints.calls

    both, one, rest = run_virtually(main)
    names = [[change.session_id for change in call] for call in (both, one, rest)]
    assert names == [["a", "b"], ["a"], ["b"]]


def test_a_session_without_changes_is_saved_again_before_redis_forgets_it() -> None:
    async def main(_clock: VirtualClock) -> int:
        checkpoints = MemoryCheckpoints()
        store = checkpoint_store(checkpoints)
        store.watch(session("silent"), lambda: None)
        saving = asyncio.create_task(store.run())
        await pass_time(70)
        saving.cancel()
        return len(checkpoints.calls)

    assert run_virtually(main) == 4


def test_what_redis_has_forgotten_is_saved_as_a_whole() -> None:
    async def main(_clock: VirtualClock) -> list[list[CheckpointChange]]:
        checkpoints, state = MemoryCheckpoints(), session("s")
        store = checkpoint_store(checkpoints)
        store.watch(state, lambda: None)
        state.changes.set("a0", b"audio")
        await store.save(["s"])
        checkpoints.stored.clear()
        state.changes.set("a1", b"more")
        await store.save(["s"])
        await store.save(["s"])
        return checkpoints.calls

    calls = run_virtually(main)
    assert [[change.complete for change in call] for call in calls] == [[True], [False], [True]]
    assert calls[-1][0].fields.keys() == {"a0", "a1", HEADER}


def test_changes_that_are_cleared_leave_nothing_to_save() -> None:
    changes = ChangeSet({"a": b"1"})
    changes.set("b", b"2")
    changes.delete("a")
    changes.clear()
    assert not changes.has_changes
    assert changes.take_changes() == ({}, [])
    changes.set("c", b"3")
    assert changes.take_changes() == ({"c": b"3"}, [])


@pytest.mark.parametrize(("text", "address"), [("", ""), ("id", ""), ("id host:80", "host:80")])
def test_an_owner_is_read_as_it_was_written(text: str, address: str) -> None:
    assert str(Owner.read(text)) == text
    assert Owner.read(text).address == address


SAVED = bytes(100_000)  # Audio that Redis has.
LATE = b"what came since"


def handed_over(
    checkpoints: MemoryCheckpoints, *, forgotten: bool = False
) -> tuple[list[list[CheckpointChange]], MemoryCheckpoints]:
    """Hand 20 sessions over at once, which were saved; the calls since, and what is stored then."""

    async def main(_clock: VirtualClock) -> None:
        store = checkpoint_store(checkpoints)
        states = [session(f"s{number}") for number in range(20)]
        for state in states:
            store.watch(state, lambda: None)
            state.changes.set("a0", SAVED)
        await store.save([state.id for state in states])
        checkpoints.calls.clear()
        if forgotten:
            checkpoints.stored.clear()
        for state in states:
            state.changes.set("a1", LATE)
        await asyncio.gather(*map(store.hand_over, states))
        await store.save([state.id for state in states])
        await store.close()

    run_virtually(main)
    return checkpoints.calls, checkpoints


def test_sessions_that_are_handed_over_at_once_are_written_once_by_their_changes() -> None:
    calls, checkpoints = handed_over(MemoryCheckpoints())
    written = [change for call in calls for change in call]
    assert sorted(change.session_id for change in written) == sorted(f"s{number}" for number in range(20))
    assert all(change.fields.keys() == {"a1", HEADER} for change in written)
    assert len(calls) <= 2
    assert {fields["owner"] for fields in checkpoints.stored.values()} == {b""}
    assert all(fields["a0"] == SAVED and fields["a1"] == LATE for fields in checkpoints.stored.values())


def test_what_redis_has_forgotten_is_handed_over_as_a_whole() -> None:
    calls, checkpoints = handed_over(MemoryCheckpoints(), forgotten=True)
    assert len(calls) <= 4
    assert {fields["owner"] for fields in checkpoints.stored.values()} == {b""}
    assert all(fields["a0"] == SAVED and fields["a1"] == LATE for fields in checkpoints.stored.values())


class NarrowCheckpoints(MemoryCheckpoints):
    """A Redis that is too slow for calls of more than 2 MB, and away for the third call."""

    async def save(self, owner: str, changes: Sequence[CheckpointChange]) -> list[SaveResult]:
        """Save them if they are not too much."""
        size = sum(len(value) for change in changes for value in change.fields.values())
        if size > 2_000_000 or len(self.calls) == 2:
            self.calls.append([])
            raise RegistryUnavailable("no answer within 1.0 s")
        return await super().save(owner, changes)


def test_many_sessions_are_saved_in_small_calls_and_only_what_is_lost_is_sent_again() -> None:
    async def main(_clock: VirtualClock) -> MemoryCheckpoints:
        checkpoints = NarrowCheckpoints()
        store, states = checkpoint_store(checkpoints), [session(f"s{number}") for number in range(50)]
        for state in states:
            store.watch(state, lambda: None)
            state.changes.set("a0", SAVED)
        names = [state.id for state in states]
        await store.save(names)
        assert len(checkpoints.stored) == 22
        await store.save(names)
        return checkpoints

    checkpoints = run_virtually(main)
    assert len(checkpoints.stored) == 50
    sent = [change.session_id for call in checkpoints.calls for change in call]
    assert sorted(sent) == sorted(f"s{number}" for number in range(50))


class AbsentCheckpoints(MemoryCheckpoints):
    """A Redis that goes away before the hand-over."""

    async def save(self, owner: str, changes: Sequence[CheckpointChange]) -> list[SaveResult]:
        """Answer the first call alone."""
        if any(change.gives_up for change in changes):
            raise RegistryUnavailable("away")
        return await super().save(owner, changes)


def test_a_redis_that_is_away_holds_no_hand_over_up() -> None:
    _, checkpoints = handed_over(AbsentCheckpoints())
    assert {fields["owner"] for fields in checkpoints.stored.values()} == {b"me"}


class SlowCheckpoints(MemoryCheckpoints):
    """A Redis that takes a second for the first save."""

    async def save(self, owner: str, changes: Sequence[CheckpointChange]) -> list[SaveResult]:
        """Save them."""
        await asyncio.sleep(0.0 if self.calls else 1.0)
        return await super().save(owner, changes)


def after_a_slow_save(end: Callable[[CheckpointStore, SessionState], Awaitable[None]]) -> MemoryCheckpoints:
    """What Redis has of a session that ended while a save of it was on its way."""

    async def main(_clock: VirtualClock) -> MemoryCheckpoints:
        checkpoints, state = SlowCheckpoints(), session("s")
        store = checkpoint_store(checkpoints)
        store.watch(state, lambda: None)
        state.changes.set("a0", b"first")
        first = asyncio.create_task(store.save(["s"]))
        await pass_time(0.1)
        state.changes.set("a0", b"last")
        await end(store, state)
        await first
        return checkpoints

    return run_virtually(main)


def test_a_save_does_not_overtake_the_one_before() -> None:
    stored = after_a_slow_save(CheckpointStore.hand_over).stored["s"]
    assert (stored["a0"], stored["owner"]) == (b"last", b"")


def test_a_save_does_not_write_again_what_is_removed() -> None:
    assert after_a_slow_save(lambda store, _: store.remove("s")).stored == {}
    assert after_a_slow_save(lambda store, _: store.keep_owner("s")).stored == {"s": {"owner": b"me"}}
