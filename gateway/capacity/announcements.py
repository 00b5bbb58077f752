"""Passes on what the registry announces to the sessions that it concerns."""

from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress

from broker.errors import RegistryUnavailable
from broker.router import SessionRouter
from broker.store.announcements import ListenerConnected, SlotsChanged, WorkerOffline, announcements

Callback = Callable[[], None]
OnSlotsChanged = Callable[[Collection[str]], None]


class WorkerLost:
    """Tells who subscribed that a worker is gone."""

    def __init__(self) -> None:
        self._subscribed: defaultdict[str, set[Callback]] = defaultdict(set)

    def subscribe(self, worker_id: str, callback: Callback) -> Callback:
        """Have `callback` called when the worker is gone; returns what ends the subscription."""
        self._subscribed[worker_id].add(callback)

        def unsubscribe() -> None:
            self._subscribed[worker_id].discard(callback)
            if not self._subscribed[worker_id]:
                del self._subscribed[worker_id]

        return unsubscribe

    def announce(self, worker_id: str) -> None:
        """Tell whoever wants to know."""
        for callback in list(self._subscribed.get(worker_id, ())):
            callback()


async def listen(url: str, router: SessionRouter, lost: WorkerLost, on_slots: OnSlotsChanged) -> None:
    """Pass announcements on until cancelled; what was missed while Redis was away is looked up.

    `on_slots` gets the sessions for which slots are free, or nothing where it is not known for which.
    """
    async for announcement in announcements(url):
        match announcement:
            case WorkerOffline(worker_id=worker_id):
                lost.announce(worker_id)
            case ListenerConnected():
                await _catch_up(router, lost)
                on_slots(())
            case SlotsChanged(sessions=sessions):
                on_slots(sessions)


async def _catch_up(router: SessionRouter, lost: WorkerLost) -> None:
    """Only what the registry itself marked offline: after its absence no heartbeat is fresh."""
    with suppress(RegistryUnavailable):  # Then it is gone again, and so is this connection.
        for worker_id in await router.marked_offline():
            lost.announce(worker_id)
