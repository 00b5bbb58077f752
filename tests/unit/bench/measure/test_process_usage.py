"""Checks that a meter measures this process, and bears that a process is gone."""

import asyncio
import os

from bench.measure.process_usage import ProcessMeter


def test_a_meter_sees_this_process_use_the_cpu() -> None:
    meter = ProcessMeter(os.getpid())
    baseline = meter.baseline()
    while meter.sample() - baseline.server < 0.02:
        sum(range(10_000))
    usage = baseline.usage_over(1.0)
    assert usage.server_cpu is not None
    assert usage.server_cpu >= 0.02
    assert usage.memory is not None
    assert usage.memory > 1_000_000


def test_a_meter_without_a_process_knows_no_usage() -> None:
    usage = ProcessMeter(None).baseline().usage_over(1.0)
    assert (usage.server_cpu, usage.memory) == (None, None)


def test_a_meter_bears_that_the_process_is_gone() -> None:
    async def watch() -> None:
        task = asyncio.create_task(meter.run())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    meter = ProcessMeter(2**22 + 1)
    asyncio.run(watch())
    assert meter.sample() == 0.0


def test_a_meter_keeps_what_it_saw_since_the_mark() -> None:
    meter = ProcessMeter(os.getpid())
    meter.sample()
    baseline = meter.baseline()
    meter.sample()
    usage = baseline.usage_over(1.0)
    times = [at for at, _ in usage.memory_over_time]
    assert len(times) == 3  # at the mark, between, and at the end
    assert times == sorted(times)
    assert times[0] >= 0
    assert usage.memory == max(size for _, size in usage.memory_over_time)
