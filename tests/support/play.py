"""Plays a history of messages through a stage without its process, with a hand-driven clock."""

from collections import deque
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar

import msgspec

from stages.channels import Packet
from stages.messages import EncodedEvent, Message
from stages.process import Stage

Moment: TypeAlias = tuple[float, Message | Packet]
"""When a message comes (seconds), and the message, with its payload where it has one."""

M = TypeVar("M")


class ManualClock:
    """Nanoseconds that pass only where a test says so."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def spend(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * 1e9)


def play(stage: Stage, history: Iterable[Moment], clock: ManualClock | None = None) -> list[Packet]:
    """What the stage says, in order: it takes what has come, then works once, until nothing is left.

    The clock jumps to the next message while the stage has nothing to do; what work takes, a test's
    engine spends on the clock.
    """
    clock = clock or ManualClock()
    coming, said = deque(history), list[Packet]()
    while coming or stage.busy:
        if coming and not stage.busy:
            clock.now = max(clock.now, round(coming[0][0] * 1e9))
        while coming and round(coming[0][0] * 1e9) <= clock.now:
            _, packet = coming.popleft()
            message, payload = packet if isinstance(packet, tuple) else (packet, b"")
            said += stage.handle(message, payload, clock.now)
        if stage.busy:
            said += stage.work(clock.now)
    return said


def at_once(*packets: Message | Packet) -> list[Moment]:
    """A history in which everything is there from the start."""
    return [(0.0, packet) for packet in packets]


def json_events(packets: Iterable[Packet], kind: str = "") -> list[dict[str, Any]]:
    """The protocol events on their way to the sender, all or those of one type, as their JSON has them."""
    encoded = [payload for message, payload in packets if isinstance(message, EncodedEvent)]
    events: list[dict[str, Any]] = [msgspec.json.decode(payload) for payload in encoded]
    return [event for event in events if kind in ("", event["type"])]


def of_type(kind: type[M], packets: Iterable[Packet]) -> list[M]:
    """The messages of one type."""
    return [message for message, _ in packets if isinstance(message, kind)]
