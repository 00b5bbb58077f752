"""Measures whether events come late at a gateway that records its sessions.

`python -m bench.scenarios.recorded_sessions SESSIONS SECONDS` runs a gateway and a worker that transcribes
nothing, and plays sessions at the pace of speech, with and without recording, in turns. The figure is the
time from when the chunk with the last audio of a partial left to when the partial arrived.
"""

import asyncio
import sys
from typing import Final

import uvloop

from bench.load.load_client import LoadClient, LoadTarget
from bench.measure.figures import percentile
from bench.servers.stack import run_stack
from dalston_realtime.client.audio.chunks import CHUNK_BYTES

LATE_MS: Final = 100.0  # Milliseconds from which an event counts as late: the time of one chunk.
PERCENTILES: Final = (50, 99, 99.9, 100)
ROUNDS: Final = 2
SILENCE: Final = bytes(CHUNK_BYTES)


def measure(sessions: int, seconds: float, store: str) -> LoadClient:
    """Play sessions at a gateway of their own; `store` is on or off."""
    with run_stack(1, sessions, {"store": store, "log_level": "warning"}) as stack:
        client = LoadClient(LoadTarget(f"ws://{stack.address}"), SILENCE, seconds)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(client.play(sessions))
    return client


def line(name: str, client: LoadClient) -> str:
    """A line of the report: what the server adds, events that were late, and the client's own lateness."""
    added = [1000 * seconds for seconds in client.added]
    late = [1000 * seconds for seconds in client.late]
    shown = "".join(f"{percentile(added, p, 1):9.1f}" for p in PERCENTILES)
    count = sum(ms > LATE_MS for ms in added)
    own = percentile(late, 99, 1)
    return f"{name:14}{shown}{len(added):9}{count:7}{own:11.1f}{len(client.errors):8}"


def main() -> None:
    """Measure without and with, in turns."""
    sessions, seconds = int(sys.argv[1]), float(sys.argv[2])
    print(f"{sessions} sessions, ms  p50      p99    p99.9      max   events   late client p99  failed")
    for _ in range(ROUNDS):
        for name, store in (("not recorded", "off"), ("recorded", "on")):
            print(line(name, measure(sessions, seconds, store)), flush=True)


if __name__ == "__main__":
    main()
