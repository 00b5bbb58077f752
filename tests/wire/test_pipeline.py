"""What the receiver knows of its stage processes from their beats, over a real socket."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from runtime.gpu import GpuMemory
from stages.channels import AUDIO_HWM, Inbox, Outlet, address, only
from stages.messages import Alive, TextEnd
from stages.receiver.pipeline import StagePipeline
from tests.support.builders import text_end
from tests.support.managed_process import DEADLINE_S

COUNTS = {"vad": 1, "asr": 2, "assembler": 1, "sender": 1}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dalston-") as name:
        yield Path(name)


def after(folder: Path, *beats: Alive) -> tuple[list[str], str, GpuMemory | None]:
    """What the pipeline says is missing, which models it has, and its GPU memory."""

    async def listen() -> tuple[list[str], str, GpuMemory | None]:
        pipeline = StagePipeline(folder, COUNTS)
        pipeline.start(lambda _message, _payload: None)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        outlet = Outlet(context, [address(folder, "control", 0)], only)
        expected = len(pipeline.missing()) - len({(b.stage, b.index) for b in beats})
        try:
            for beat in beats:
                outlet.send(beat)
            async with asyncio.timeout(DEADLINE_S):
                while len(pipeline.missing()) > expected:
                    await asyncio.sleep(0)
            return pipeline.missing(), pipeline.models, pipeline.gpu_memory
        finally:
            outlet.close()
            context.term()
            pipeline.close()

    return asyncio.run(listen())


def test_a_worker_is_whole_when_all_its_processes_beat(folder: Path) -> None:
    missing, models, memory = after(folder, Alive("vad", 0), Alive("asr", 1, "[1]"))
    assert missing == ["asr.1", "assembler.1", "sender.1"]
    assert (models, memory) == ("[1]", None)


def test_the_memory_of_a_worker_is_that_of_all_its_devices(folder: Path) -> None:
    first = Alive("asr", 0, "[]", gpu_used=3_000, gpu_total=10_000)
    second = Alive("asr", 1, "[]", gpu_used=1_000, gpu_total=10_000)
    assert after(folder, first, second)[-1] == GpuMemory(4_000, 20_000)


def test_the_memory_of_a_device_that_two_processes_share_counts_once(folder: Path) -> None:
    beats = [Alive("asr", k, "[]", device="GPU-5f", gpu_used=3_000, gpu_total=10_000) for k in (0, 1)]
    assert after(folder, *beats)[-1] == GpuMemory(3_000, 10_000)


def test_what_can_be_done_without_is_lost_where_the_queue_is_full(folder: Path) -> None:
    async def offer() -> list[int]:
        pipeline = StagePipeline(folder, COUNTS)
        pipeline.start(lambda _message, _payload: None)
        for at in range(3 * AUDIO_HWM):  # nobody reads: one that waited would wait for ever
            pipeline.offer(text_end(at))
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        vad = Inbox(context, address(folder, "vad", 0))
        try:
            return [
                message.at
                for message, _ in vad.receive(round(DEADLINE_S * 1_000), AUDIO_HWM)
                if isinstance(message, TextEnd)
            ]
        finally:
            vad.close()
            context.term()
            pipeline.close()

    came = asyncio.run(offer())
    assert came == list(range(len(came)))
    assert 0 < len(came) <= AUDIO_HWM
