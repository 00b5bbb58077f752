"""Measures whether events come late at a gateway that records its sessions.

`python -m bench.scenarios.recorded_sessions SESSIONS SECONDS` runs a gateway and a worker that transcribes
nothing, and plays sessions at the pace of speech, with and without recording, in turns. The figure is the
time from when the chunk with the last audio of a partial left to when the partial arrived.
"""

import asyncio
import sys
from typing import Final

import psutil
import uvloop

from bench.load.load_client import LoadClient, LoadTarget
from bench.measure.figures import percentile
from bench.servers.stack import run_stack
from dalston_realtime.client.audio.chunks import CHUNK_BYTES

LATE_MS: Final = 100.0  # Milliseconds from which an event counts as late: the time of one chunk.
PERCENTILES: Final = (50, 99, 99.9, 100)
HEADER: Final = (
    "{} sessions, ms p50      p99    p99.9      max   events   late client p99  failed  µs a chunk"
)
ROUNDS: Final = 2
SILENCE: Final = bytes(CHUNK_BYTES)


def measure(sessions: int, seconds: float, store: str) -> tuple[LoadClient, float]:
    """Play sessions at a gateway of their own, `store` on or off; with the gateway's CPU time in seconds."""
    with run_stack(1, sessions, {"store": store, "log_level": "warning"}) as stack:
        gateway = psutil.Process(stack.pids["gateway"])
        before = gateway.cpu_times()
        client = LoadClient(LoadTarget(f"ws://{stack.address}"), SILENCE, seconds)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(client.play(sessions))
        spent = gateway.cpu_times()
    return client, spent.user + spent.system - before.user - before.system


def line(name: str, client: LoadClient, cpu: float) -> str:
    """A line of the report: what the server adds, events that were late, the client's own lateness, and the
    gateway's CPU time for a chunk in microseconds."""
    added = [1000 * seconds for seconds in client.added]
    late = [1000 * seconds for seconds in client.late]
    shown = "".join(f"{percentile(added, p, 1):9.1f}" for p in PERCENTILES)
    count = sum(ms > LATE_MS for ms in added)
    own = percentile(late, 99, 1)
    each = 1e6 * cpu / max(client.sent, 1)
    return f"{name:14}{shown}{len(added):9}{count:7}{own:11.1f}{len(client.errors):8}{each:12.0f}"


def main() -> None:
    """Measure without and with, in turns."""
    sessions, seconds = int(sys.argv[1]), float(sys.argv[2])
    print(HEADER.format(sessions))
    for _ in range(ROUNDS):
        for name, store in (("not recorded", "off"), ("recorded", "on")):
            print(line(name, *measure(sessions, seconds, store)), flush=True)


if __name__ == "__main__":
    main()
