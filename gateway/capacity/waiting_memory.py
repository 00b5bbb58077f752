"""Bounds the memory for what clients send while their sessions wait for a slot."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

ENTRY_BYTES: Final = 256  # Bytes that a frame takes beside its content: tiny ones must not fill the memory.


@dataclass(frozen=True, slots=True)
class WaitingLimits:
    """Bytes that are kept of one session that waits, and of all of them together."""

    session: int = 2 << 20
    total: int = 256 << 20


class WaitingMemory:
    """What the waiting sessions of one gateway keep."""

    def __init__(self, limits: WaitingLimits | None = None) -> None:
        self.limits = limits or WaitingLimits()
        self.used = 0  # Bytes.
        self._shares: set[WaitingShare] = set()

    @property
    def is_full(self) -> bool:
        """Whether nothing more is kept of any session."""
        return self.used >= self.limits.total

    def open_share(self, on_room: Callable[[], None]) -> "WaitingShare":
        """The share of a session that waits; `on_room` is called when another one gave its share back."""
        share = WaitingShare(self, on_room)
        self._shares.add(share)
        return share

    def give_back(self, share: "WaitingShare") -> None:
        """Count what is kept of a session no longer, and tell the others."""
        was_full = self.is_full
        self._shares.discard(share)
        self.used -= share.used
        if was_full and not self.is_full:
            for each in list(self._shares):
                each.on_room()


class WaitingShare:
    """What is kept of one session that waits."""

    def __init__(self, memory: WaitingMemory, on_room: Callable[[], None]) -> None:
        self.on_room, self.used = on_room, 0
        self._memory = memory

    @property
    def has_room(self) -> bool:
        """Whether one more frame may be kept; the last one may reach beyond the limit."""
        return self.used < self._memory.limits.session and not self._memory.is_full

    def count(self, size: int) -> None:
        """One more frame of so many bytes is kept."""
        self.used += size + ENTRY_BYTES
        self._memory.used += size + ENTRY_BYTES

    def close(self) -> None:
        """The session does not wait any more."""
        self._memory.give_back(self)
