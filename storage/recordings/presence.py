"""Shows other gateways that this one lives, and judges by this process's own clock whether they do."""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from storage.recordings.errors import NoRecording
from storage.recordings.layout import GATEWAYS, new_gateway
from storage.recordings.store import RecordingStore


@dataclass(frozen=True, slots=True)
class RecordingTimes:
    """Seconds.

    - silent: without a sign of life of a gateway until others join what it left of sessions that are over.
    - lost: without one until they join all that it left: nobody can go on with its sessions any more.
    - retry: until a join is tried again, which failed by a store that is away or full.
    - upload: until another upload, while the object store does not answer.
    """

    silent: float = 12.0
    lost: float = 60.0
    retry: float = 5.0
    upload: float = 2.0

    @property
    def beat(self) -> float:
        """Seconds between two signs of life."""
        return self.silent / 4


@dataclass(frozen=True, slots=True)
class _Beat:
    """What a gateway has written, and when that was seen first."""

    text: bytes | None
    at: float


class Presence:
    """The gateways that record into one store. Every method but `silent_for` and `forget` blocks."""

    def __init__(self, store: RecordingStore, clock: Callable[[], float] = time.monotonic) -> None:
        self.gateway = new_gateway()
        self._store, self._clock = store, clock
        self._count = 0
        self._beats: dict[str, _Beat] = {}

    def beat(self) -> None:
        """Show that this gateway lives."""
        self._count += 1
        self._store.write(f"{GATEWAYS}/{self.gateway}", str(self._count).encode())

    def observe(self, gateways: Iterable[str]) -> None:
        """Look at these gateways and at all that have shown themselves."""
        now, before = self._clock(), self._beats
        names = {*gateways, *self._store.sizes(GATEWAYS), *before}
        found = {name: self._read(name) for name in names}
        self._beats = {
            name: before[name] if name in before and before[name].text == text else _Beat(text, now)
            for name, text in found.items()
        }

    def silent_for(self, gateway: str) -> float:
        """Seconds for which a gateway has shown no sign of life, since it was looked at first."""
        now = self._clock()
        if gateway == self.gateway:
            return 0.0
        return now - self._beats.setdefault(gateway, _Beat(None, now)).at

    def forget(self) -> None:
        """The store is away: nobody could write, and no sign of life counts as missed."""
        self._beats.clear()

    def leave(self) -> None:
        """Show no more that this gateway lives."""
        self._store.delete(f"{GATEWAYS}/{self.gateway}")

    def forget_lost(self, lost: float, needed: Collection[str]) -> None:
        """Forget the gateways that are silent for `lost` seconds, but those that are `needed`."""
        for name in [name for name in self._beats if name not in needed and self.silent_for(name) >= lost]:
            if self._beats.pop(name).text is not None:
                self._store.delete(f"{GATEWAYS}/{name}")

    def _read(self, gateway: str) -> bytes | None:
        try:
            return self._store.read(f"{GATEWAYS}/{gateway}") if gateway else None
        except NoRecording:
            return None
