"""A stage process whose receiver is started again, over real sockets."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from stages.channels import Inbox, Outlet, address, only
from stages.messages import Close, EndOfStream, Message, ProcessStarted, Silence
from tests.support.builders import opened
from tests.support.managed_process import DEADLINE_S, ManagedProcess, clean_environment

COME_MS = round(DEADLINE_S * 1_000)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The run folder of a worker."""
    with tempfile.TemporaryDirectory(prefix="dalston-") as name:
        yield Path(name)


def receive(inbox: Inbox, count: int) -> list[Message]:
    """The next messages of a process, but for those that say that there was no speech."""
    found: list[Message] = []
    while len(found) < count and (packets := inbox.receive(COME_MS)):
        found += [message for message, _ in packets if not isinstance(message, Silence)]
    return found


@contextmanager
def outlet_to(folder: Path) -> Iterator[Outlet]:
    """A receiver's way to the VAD process."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    receiver = Outlet(context, [address(folder, "vad", 0)], only)
    try:
        yield receiver
    finally:
        receiver.close()
        context.term()


@pytest.fixture
def asr(folder: Path) -> Iterator[Inbox]:
    """What the VAD process says to the one behind it."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    inbox = Inbox(context, address(folder, "asr", 0))
    yield inbox
    inbox.close()
    context.term()


def test_sessions_of_a_receiver_that_is_gone_end_in_the_stages(folder: Path, asr: Inbox) -> None:
    env = clean_environment(run_dir=str(folder))
    with ManagedProcess(sys.executable, "-m", "stages.vad", env=env) as process:
        with outlet_to(folder) as receiver:
            receiver.send(opened(session="s1"))
            assert receive(asr, 2) == [ProcessStarted("vad", 0), opened(session="s1")]
        with outlet_to(folder) as again:
            again.send(ProcessStarted("receiver", 0))
            again.send(opened(session="s2"))
            again.send(EndOfStream("receiver"))
            closed, *others = receive(asr, 3)
            assert isinstance(closed, Close)
            assert (closed.session, closed.reason) == ("s1", "gone")
            assert others == [opened(session="s2"), EndOfStream("vad.1")]
            assert process.wait() == 0
