"""Operators get figures of the workers that say them, and a stream that no slow browser holds up."""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any

import pytest
from starlette.types import Message

from broker.errors import RegistryUnavailable
from gateway.api.event_stream import EventStream
from gateway.api.operation import ApiError
from gateway.api.operator import MAX_LISTENERS, OperatorApi, StreamEnds
from gateway.api.worker_figures import read_figures
from gateway.auth.principal import LOCAL_USER
from gateway.capacity.directory import WorkerSnapshot
from gateway.metrics import GatewayMetrics
from tests.support.virtual_time import VirtualClock, run_virtually

METRICS = """
# TYPE dalston_stage_queue_messages histogram
dalston_stage_queue_messages_bucket{stage="asr",le="1.0"} 2.0
dalston_stage_queue_messages_bucket{stage="asr",le="+Inf"} 3.0
dalston_stage_queue_messages_count{stage="asr"} 3.0
dalston_stage_queue_messages_sum{stage="asr"} 7.0
# TYPE dalston_final_seconds histogram
dalston_final_seconds_bucket{le="0.1"} 3.0
dalston_final_seconds_count 4.0
dalston_final_seconds_sum 0.5
# TYPE dalston_asr_batch_size histogram
dalston_asr_batch_size_count{kind="final",reason="full"} 2.0
dalston_asr_batch_size_sum{kind="final",reason="full"} 8.0
dalston_asr_batch_size_count{kind="partial",reason="full"} 1.0
dalston_asr_batch_size_sum{kind="partial",reason="full"} 1.0
"""


class SilentDirectory:
    """A directory whose registry is away."""

    async def get(self) -> WorkerSnapshot:
        """Fail."""
        raise RegistryUnavailable("Redis is away")


class NoProblems:
    """Every worker can be reached."""

    async def check(self, workers: Any) -> dict[str, str]:
        """None."""
        return {}


class TwoSessions:
    """Two sessions, the second further behind."""

    def running(self) -> list[tuple[str, str, float, float]]:
        """Both."""
        return [("a", "w", 2.0, 0.5), ("b", "w", 3.0, 1.5)]


def operator(stopping: asyncio.Event, gone: Collection[str] = ()) -> OperatorApi:
    """Of a gateway on which the principals that are `gone` may do nothing any more."""
    ends = StreamEnds(stopping, lambda principal_id: principal_id not in gone)
    return OperatorApi(SilentDirectory(), NoProblems(), GatewayMetrics(), TwoSessions(), ends)  # type: ignore[arg-type]


def test_figures_are_read_from_the_metrics_of_a_worker() -> None:
    figures = read_figures(METRICS)
    asr = figures.queues["asr"]
    assert (asr.count, asr.sum, asr.buckets) == (3.0, 7.0, {"1.0": 2.0, "+Inf": 3.0})
    assert (figures.finals.count, figures.finals.sum, figures.finals.buckets) == (4.0, 0.5, {"0.1": 3.0})
    assert (figures.batches.count, figures.batches.sum) == (3.0, 9.0)


def test_without_redis_an_operator_still_sees_this_gateway() -> None:
    async def main() -> None:
        event = await operator(asyncio.Event()).describe()
        assert event.problem == "Redis is away"
        assert [session.session_id for session in event.sessions] == ["b", "a"]

    asyncio.run(main())


def test_a_stream_ends_with_the_gateway_and_there_are_not_too_many() -> None:
    async def main() -> None:
        stopping = asyncio.Event()
        api = operator(stopping)
        streams = [api._events(LOCAL_USER.id) for _ in range(MAX_LISTENERS)]
        await asyncio.gather(*(anext(stream) for stream in streams))
        with pytest.raises(ApiError):
            await api.operator_events(LOCAL_USER)
        stopping.set()
        rest = await asyncio.gather(*(anext(stream, None) for stream in streams))
        assert rest == [None] * MAX_LISTENERS
        assert isinstance(await api.operator_events(LOCAL_USER), EventStream)

    asyncio.run(main())


def test_a_stream_ends_with_the_key_of_who_listens() -> None:
    async def main(_: VirtualClock) -> None:
        gone: set[str] = set()
        stream = operator(asyncio.Event(), gone)._events("key_1")
        await anext(stream)
        gone.add("key_1")
        assert await anext(stream, None) is None

    run_virtually(main)


def test_a_browser_that_takes_nothing_is_let_go() -> None:
    async def endless() -> AsyncIterator[int]:
        while True:
            yield 1

    async def main() -> None:
        async def receive() -> Message:
            await asyncio.Event().wait()
            return {}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        await EventStream(endless(), 0.01)({}, receive, send)

    asyncio.run(main())


def test_a_browser_that_goes_ends_its_stream() -> None:
    async def one() -> AsyncIterator[dict[str, int]]:
        yield {"a": 1}
        await asyncio.Event().wait()

    async def main() -> None:
        sent: list[bytes] = []
        took = asyncio.Event()

        async def receive() -> Message:
            await took.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message.get("body", b""))
            if sent[-1]:
                took.set()

        await EventStream(one(), 1.0)({}, receive, send)
        assert sent == [b"", b'data: {"a":1}\n\n']

    asyncio.run(main())
