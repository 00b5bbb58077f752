"""The deadline of a peer: who takes a little goes on, who takes nothing is cut off."""

import asyncio
from typing import cast

from runtime.write_deadline import WriteDeadline
from tests.support.virtual_time import VirtualClock, pass_time, run_virtually


class Waiting:
    """A transport with bytes that wait to be written."""

    def __init__(self) -> None:
        self.size, self.aborted = 100_000, False

    def get_write_buffer_size(self) -> int:
        return self.size

    def abort(self) -> None:
        self.aborted = True


def test_who_takes_a_little_has_time_and_who_takes_nothing_is_cut_off() -> None:
    async def main(_clock: VirtualClock) -> None:
        transport = Waiting()
        deadline = WriteDeadline(cast(asyncio.Transport, transport), 10.0)
        deadline.start()
        for _ in range(5):
            transport.size -= 1
            await pass_time(9.9)
            assert not transport.aborted
        await pass_time(20.1)
        assert transport.aborted

    run_virtually(main)


def test_nothing_happens_when_all_is_taken() -> None:
    async def main(_clock: VirtualClock) -> None:
        transport = Waiting()
        deadline = WriteDeadline(cast(asyncio.Transport, transport), 10.0)
        deadline.start()
        deadline.stop()
        deadline.stop()
        await pass_time(100)
        assert not transport.aborted

    run_virtually(main)
