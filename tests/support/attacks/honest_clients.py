"""Runs honest clients as a process: each says a word every 100 ms, and asks for a final every 300 ms.

`python -m tests.support.attacks.honest_clients URL COUNT` prints a line `final AT MS` for each answer, with
the time of the monotonic clock, and after SIGTERM a line `words SAID LOST FAILURES`.
"""

import asyncio
import signal
import sys
import time
from difflib import SequenceMatcher
from itertools import count

from dalston_realtime.client import Final, LiveSession, transcribe_stream
from engines.marked import BASE, make_mark, spoken_marks

CHUNK_S = 0.1
PER_FLUSH = 3  # Chunks between two flushes, so that these are no multiple of anything.
WORDS = BASE * BASE  # Different marks; then they begin again.


class HonestClient:
    """One session: what it said, and what came of it."""

    def __init__(self) -> None:
        self.said = 0
        self.heard: list[int] = []
        self._asked: dict[str, float] = {}

    async def run(self, url: str, stop: asyncio.Event) -> None:
        """Speak until the signal, and to the end of the session."""
        async with transcribe_stream(url, resume_for=60) as session:
            speaking = asyncio.create_task(self._speak(session, stop))
            async for event in session:
                if isinstance(event, Final):
                    self._note(event)
            await speaking

    async def _speak(self, session: LiveSession, stop: asyncio.Event) -> None:
        begun = time.monotonic()
        for number in count():
            if stop.is_set():
                break
            await session.send(make_mark(number % WORDS).tobytes() + bytes(3_200 - 24))
            self.said += 1
            if number % PER_FLUSH == 0:
                self._asked[str(number)] = time.monotonic()
                await session.flush(str(number))
            await asyncio.sleep(max(0.0, begun + (number + 1) * CHUNK_S - time.monotonic()))
        await session.flush("last")
        await session.end()

    def _note(self, event: Final) -> None:
        now = time.monotonic()
        self.heard += spoken_marks(event.text)
        if (asked := self._asked.pop(event.flush_id or "", None)) is not None:
            print(f"final {now:.3f} {(now - asked) * 1000:.2f}", flush=True)

    @property
    def lost(self) -> int:
        """Words that were not heard, and those that were heard twice or out of turn."""
        wanted = [number % WORDS for number in range(self.said)]
        same = SequenceMatcher(None, wanted, self.heard, autojunk=False).get_matching_blocks()
        matched = sum(block.size for block in same)
        return len(wanted) + len(self.heard) - 2 * matched


async def run(url: str, clients: int) -> None:
    """Run the clients until the signal."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    all_of_them = [HonestClient() for _ in range(clients)]
    outcomes = await asyncio.gather(*(each.run(url, stop) for each in all_of_them), return_exceptions=True)
    failed = [outcome for outcome in outcomes if outcome is not None]
    print(f"words {sum(c.said for c in all_of_them)} {sum(c.lost for c in all_of_them)} {failed}", flush=True)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
