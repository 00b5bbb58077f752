"""A stage process says that it lives while it is at work, and not while it hangs, over a real socket."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from stages.channels import Inbox, address
from stages.heartbeat import Heartbeat, HeartbeatTimes
from stages.messages import Alive
from tests.support.managed_process import DEADLINE_S

ALIVE = Alive("asr", 0)
TIMES = HeartbeatTimes(interval=0.005)
COME_MS = round(DEADLINE_S * 1_000)


class SteppedClock:
    """Seconds that pass only where a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def beating(clock: SteppedClock, alive: Alive | Exception = ALIVE) -> Iterator[tuple[Heartbeat, Inbox]]:
    def say() -> Alive:
        if isinstance(alive, Exception):
            raise alive
        return alive

    with tempfile.TemporaryDirectory(prefix="dalston-") as folder:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        where = address(Path(folder), "control", 0)
        inbox, heartbeat = Inbox(context, where), Heartbeat(context, where, say, clock, TIMES)
        heartbeat.start()
        try:
            yield heartbeat, inbox
        finally:
            heartbeat.stop()
            inbox.close()
            context.term()


def test_a_process_beats_while_it_is_at_work() -> None:
    clock = SteppedClock()
    with beating(clock) as (_, inbox):
        for _ in range(5):
            clock.now += TIMES.hung / 6  # it does not look at its messages
            assert inbox.receive(COME_MS, 1)[0] == (ALIVE, b"")


def test_a_process_that_hangs_does_not_until_it_goes_on() -> None:
    clock = SteppedClock()
    with beating(clock) as (heartbeat, inbox):
        assert inbox.receive(COME_MS, 1)
        clock.now += TIMES.hung
        while inbox.receive(50):
            pass
        heartbeat.on_turn()
        assert inbox.receive(COME_MS, 1)


def test_what_goes_wrong_in_a_beat_ends_the_process() -> None:
    with beating(SteppedClock(), OSError("the device is gone")) as (heartbeat, _):
        heartbeat._thread.join(DEADLINE_S)
        with pytest.raises(OSError, match="the device is gone"):
            heartbeat.on_turn()
