"""Inbox and Outlet over real sockets: order, what does not decode, full queues, one process of a name."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgpack
import pytest
import zmq

from runtime.errors import StartupError
from runtime.process import lock
from stages.channels import AUDIO_HWM, MAX_IPC_PATH, Inbox, Outlet, Packet, address, by_route, only
from stages.codec import encode
from stages.messages import AudioProcessed, EndOfStream, Message

DEADLINE_MS = 5_000


class SocketBench:
    """Sockets in a folder of their own; all of them are closed at the end, or the test hangs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._open: list[Inbox | Outlet] = []

    def inbox(self, index: int = 0) -> Inbox:
        inbox = Inbox(self.context, address(self.folder, "vad", index))
        self._open.append(inbox)
        return inbox

    def outlet(self, processes: int = 1, pick: Callable[[Message], int] = only) -> Outlet:
        where = [address(self.folder, "vad", index) for index in range(processes)]
        outlet = Outlet(self.context, where, pick)
        self._open.append(outlet)
        return outlet

    def raw(self) -> zmq.Socket[bytes]:
        """A writer that is none of ours."""
        socket = self.context.socket(zmq.PUSH)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address(self.folder, "vad", 0))
        return socket

    def close(self) -> None:
        for socket in self._open:
            socket.close()
        self.context.term()


@pytest.fixture
def bench() -> Iterator[SocketBench]:
    with TemporaryDirectory(prefix="dalston-") as folder:
        bench = SocketBench(Path(folder))
        yield bench
        bench.close()


def message(number: int, process: int = 0) -> AudioProcessed:
    return AudioProcessed("s", (process,), number)


def take(inbox: Inbox, count: int) -> list[Packet]:
    """So many messages, within the deadline; what comes first may be nothing but what does not decode."""
    packets: list[Packet] = []
    until = time.monotonic() + DEADLINE_MS / 1_000
    while len(packets) < count:
        packets += inbox.receive(DEADLINE_MS)
        assert time.monotonic() < until, f"{len(packets)} of {count} messages came"
    return packets


def test_messages_come_in_order_with_their_payloads(bench: SocketBench) -> None:
    inbox, outlet = bench.inbox(), bench.outlet()
    sent: list[Packet] = [(message(k), bytes([k % 256]) * (k % 7)) for k in range(300)]
    for packet in sent:
        outlet.send(*packet)
    assert take(inbox, 300) == sent


def test_messages_that_leave_together_come_in_order_each_at_its_process(bench: SocketBench) -> None:
    inboxes, outlet = (bench.inbox(0), bench.inbox(1)), bench.outlet(2, by_route(0))
    sent: list[Packet] = [(message(k, process=k % 2), bytes([k % 256]) * (k % 7)) for k in range(100)]
    for packet in sent:
        outlet.append(*packet)
    assert outlet.is_full(message(0, process=1))
    assert outlet.flush()
    assert not outlet.is_full(message(0, process=1))
    for process, inbox in enumerate(inboxes):
        assert take(inbox, 50) == sent[process::2]


def test_what_finds_no_room_stays_and_goes_with_the_rest(bench: SocketBench) -> None:
    outlet = bench.outlet()
    full = fill(outlet)
    for k in range(3):
        outlet.append(message(full + k))
    assert not outlet.flush(block=False)
    inbox = bench.inbox()
    outlet.append(message(full + 3))
    assert len(inbox.receive(DEADLINE_MS, limit=1)) == 1
    assert outlet.flush()
    assert [m for m, _ in take(inbox, full + 3)] == [message(k) for k in range(1, full + 4)]


def test_of_a_batch_only_what_does_not_decode_is_dropped(bench: SocketBench) -> None:
    inbox, raw = bench.inbox(), bench.raw()
    raw.send(msgpack.packb([encode(message(1)), b"a", b"hello", b"b", encode(message(2)), b""]))
    assert take(inbox, 2) == [(message(1), b"a"), (message(2), b"")]
    assert inbox.dropped == 1
    raw.close()


def test_the_end_goes_behind_what_waits(bench: SocketBench) -> None:
    inbox, outlet = bench.inbox(), bench.outlet()
    outlet.append(message(1))
    outlet.send_to_all(EndOfStream("receiver"))
    assert [m for m, _ in take(inbox, 2)] == [message(1), EndOfStream("receiver")]


def test_a_writer_may_come_before_its_reader(bench: SocketBench) -> None:
    outlet = bench.outlet()
    outlet.send(message(1))
    assert take(bench.inbox(), 1) == [(message(1), b"")]


def test_a_session_stays_with_the_process_of_its_route(bench: SocketBench) -> None:
    first, second = bench.inbox(0), bench.inbox(1)
    outlet = bench.outlet(2, by_route(0))
    for k in range(10):
        outlet.send(message(k, process=k % 2))
    outlet.send_to_all(EndOfStream("receiver"))
    for process, inbox in enumerate((first, second)):
        *messages, end = [m for m, _ in take(inbox, 6)]
        assert messages == [message(k, process) for k in range(process, 10, 2)]
        assert end == EndOfStream("receiver")


def test_what_does_not_decode_is_counted_and_dropped(bench: SocketBench) -> None:
    inbox, raw = bench.inbox(), bench.raw()
    bad: list[list[bytes]] = [[b""], [b"hello"], [b"\xc1", b"audio"], [encode(message(1)), b"a", b"b"]]
    for parts in [*bad, [encode(message(1))], *bad, [encode(message(2)), b"audio"]]:
        raw.send(msgpack.packb(parts))
    assert take(inbox, 2) == [(message(1), b""), (message(2), b"audio")]
    assert inbox.dropped == 2 * len(bad)
    raw.close()


def test_what_is_no_batch_is_counted_and_dropped(bench: SocketBench) -> None:
    inbox, raw = bench.inbox(), bench.raw()
    bad: list[bytes] = [
        b"",
        b"\xc1",
        b"hello",
        *map(msgpack.packb, ([], {}, "a", ["text", b""], [1, b""], [[b"a"]])),
    ]
    for batch in bad:
        raw.send(batch)
    raw.send(msgpack.packb([encode(message(1))]))
    assert take(inbox, 1) == [(message(1), b"")]
    assert inbox.dropped == len(bad)
    raw.close()


def test_nothing_comes_from_an_empty_inbox(bench: SocketBench) -> None:
    assert bench.inbox().receive(0) == []


def test_an_inbox_gives_at_most_as_many_as_asked(bench: SocketBench) -> None:
    inbox, outlet = bench.inbox(), bench.outlet()
    for k in range(10):
        outlet.send(message(k))
    assert len(inbox.receive(DEADLINE_MS, limit=1)) == 1
    assert [m for m, _ in take(inbox, 9)] == [message(k) for k in range(1, 10)]


def fill(outlet: Outlet) -> int:
    """How many messages a queue takes that nobody reads."""
    count = 0
    try:
        while True:
            outlet.send(message(count), b"x" * 3_200, zmq.NOBLOCK)
            count += 1
    except zmq.Again:
        return count


def test_a_queue_without_a_reader_is_bounded(bench: SocketBench) -> None:
    assert fill(bench.outlet()) == AUDIO_HWM


def test_a_full_queue_blocks_its_writer_and_loses_nothing(bench: SocketBench) -> None:
    inbox, outlet, total = bench.inbox(), bench.outlet(), 4 * AUDIO_HWM
    sent: list[int] = []
    stuck = threading.Event()

    def write() -> None:
        for k in range(total):
            try:
                outlet.send(message(k), b"x" * 3_200, zmq.NOBLOCK)
            except zmq.Again:
                stuck.set()
                outlet.send(message(k), b"x" * 3_200)
            sent.append(k)

    writer = threading.Thread(target=write)
    writer.start()
    assert stuck.wait(DEADLINE_MS / 1_000), "nothing bounded the queue"
    assert len(sent) < total
    assert [m for m, _ in take(inbox, total)] == [message(k) for k in range(total)]
    writer.join(DEADLINE_MS / 1_000)
    assert len(sent) == total


def test_a_closing_outlet_lets_its_last_messages_leave(bench: SocketBench) -> None:
    inbox, outlet = bench.inbox(), bench.outlet()
    for k in range(100):
        outlet.send(message(k))
    outlet.close()
    assert len(take(inbox, 100)) == 100


def test_a_path_that_is_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="set a shorter DALSTON_RUN_DIR"):
        address(tmp_path / ("x" * MAX_IPC_PATH), "vad", 0)
    fits = Path("/" + "x" * (MAX_IPC_PATH - len("//vad.1")))
    assert len(address(fits, "vad", 0)) == len("ipc://") + MAX_IPC_PATH


def test_a_second_process_of_a_name_is_refused(bench: SocketBench) -> None:
    code = (
        "import sys; from pathlib import Path; from runtime.process import lock, run_main;"
        "run_main('vad', lambda: lock(Path(sys.argv[1])).close())"
    )
    path = bench.folder / "vad.1.lock"
    held = lock(path)
    started = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=20, check=False
    )
    assert started.returncode == 1
    assert started.stderr.startswith("vad: vad.1 runs already in ")
    assert "DALSTON_RUN_DIR" in started.stderr
    held.close()
    subprocess.run([sys.executable, "-c", code, str(path)], timeout=20, check=True)
