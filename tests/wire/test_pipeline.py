"""What the receiver knows of its stage processes from their beats, over a real socket."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from stages.channels import Outlet, address, only
from stages.gpu import GpuMemory
from stages.messages import Alive
from stages.pipeline import Pipeline

COUNTS = {"vad": 1, "asr": 2, "assembler": 1, "sender": 1}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dalston-") as name:
        yield Path(name)


def after(folder: Path, *beats: Alive) -> tuple[list[str], str, int, GpuMemory | None]:
    """What the pipeline says is missing, which models and how many places of four, and its GPU memory."""

    async def listen() -> tuple[list[str], str, int, GpuMemory | None]:
        pipeline = Pipeline(folder, COUNTS)
        pipeline.start(lambda _message, _payload: None)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        outlet = Outlet(context, [address(folder, "control", 0)], only)
        expected = len(pipeline.missing()) - len({(b.stage, b.index) for b in beats})
        try:
            for beat in beats:
                outlet.send(beat)
            async with asyncio.timeout(5):
                while len(pipeline.missing()) > expected:
                    await asyncio.sleep(0)
            return pipeline.missing(), pipeline.models, pipeline.capacity(4), pipeline.gpu_memory
        finally:
            outlet.close()
            context.term()
            pipeline.close()

    return asyncio.run(listen())


def test_a_worker_is_whole_when_all_its_processes_beat(folder: Path) -> None:
    missing, models, capacity, memory = after(folder, Alive("vad", 0), Alive("asr", 1, "[1]"))
    assert missing == ["asr.1", "assembler.1", "sender.1"]
    assert (models, capacity, memory) == ("[1]", 8, None)


def test_a_device_that_ran_out_of_memory_lowers_the_capacity(folder: Path) -> None:
    first = Alive("asr", 0, "[]", places=2, gpu_used=3_000, gpu_total=10_000)
    second = Alive("asr", 1, "[]", gpu_used=1_000, gpu_total=10_000)
    _, _, capacity, memory = after(folder, first, second)
    assert capacity == 2 + 4
    assert memory == GpuMemory(4_000, 20_000)
