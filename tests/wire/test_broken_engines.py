"""Real workers whose engine hangs, fails or runs out of memory while people speak: no word is lost."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from engines.base import Floats
from runtime.process import FAULT
from stages.asr.pass_speed import PassLimits
from tests.support.gateway_process import GatewayProcess, gateway_process, process, run
from tests.support.recordings import as_pcm
from tests.support.redis_fixture import RedisServer
from tests.support.speech import samples
from tests.support.spoken_digits import DIGITS, spoken
from tests.support.system_sessions import FULL_SPEED
from tests.support.told_sessions import Told, begun, listen, play, wait_for
from tests.support.words import compare
from tests.support.worker_process import worker_process

SPEECH = slice(16_000, 18 * 16_000)
HEALTHY = "fast=moonshine:tiny-en"
MOVED_S = 3.0  # Seconds in which the sessions of a pass that hangs are served again.
PAUSE = 16_000  # Samples between two utterances.
POISON = 32_000  # A sample that is as loud as this makes a pass fail; the speech is less loud.
LOAD_S = 90.0  # Seconds for NeMo to be imported on a machine that is busy.
MARGIN_S = 1.0  # Seconds of a pause in speech, and of a machine that is busy.


@pytest.fixture
def server(own_redis: RedisServer) -> Iterator[tuple[RedisServer, GatewayProcess]]:
    """A gateway and a broker on a Redis of their own, without a worker."""
    with ExitStack() as stack:
        stack.enter_context(process("broker", redis_url=own_redis.url))
        yield own_redis, stack.enter_context(gateway_process(own_redis.url, heartbeat_timeout="5"))


@pytest.mark.timeout(150)
@pytest.mark.parametrize("fault", ["hang:15", "raise:15"])
def test_sessions_of_a_broken_engine_move_and_lose_no_word(
    server: tuple[RedisServer, GatewayProcess], fault: str
) -> None:
    redis, gateway = server
    pcm = samples("two_cities.wav")[SPEECH].tobytes()
    with ExitStack() as stack:
        broken = stack.enter_context(
            worker_process(redis.url, models=f"fast=faulty:{fault}:moonshine:tiny-en")
        )

        async def main() -> tuple[list[Told], Told]:
            await wait_for(gateway, broken, "ready")
            async with begun(gateway, 2) as sessions:
                healthy = await asyncio.to_thread(
                    stack.enter_context, worker_process(redis.url, models=HEALTHY)
                )
                await wait_for(gateway, healthy, "ready")
                told = await play(pcm, sessions)
            await wait_for(gateway, broken, "offline")
            assert broken.wait("asr.1") == FAULT  # A supervisor starts it again, also after its first start.
            async with begun(gateway, 1) as sessions:
                return told, (await play(pcm, sessions, FULL_SPEED))[0]

        told, reference = run(main(), 120)
        for each in told:
            found = compare(reference.transcript, each.transcript)
            assert found.lost + found.doubled == 0, (found.passages, broken.logs())
            assert each.codes == ["worker_lost"]
            assert each.longest_pause < MOVED_S + MARGIN_S
        assert reference.codes == []


def test_a_device_without_memory_for_two_serves_all_of_its_sessions(
    server: tuple[RedisServer, GatewayProcess],
) -> None:
    redis, gateway = server
    pcm = samples("two_cities.wav")[SPEECH].tobytes()
    with worker_process(redis.url, models="fast=faulty:memory:1:moonshine:tiny-en") as full:

        async def main() -> tuple[list[Told], Told]:
            await wait_for(gateway, full, "ready")
            async with begun(gateway, 1) as sessions:
                (reference,) = await play(pcm, sessions, FULL_SPEED)
            async with begun(gateway, 3) as sessions:
                return await play(pcm, sessions, FULL_SPEED), reference

        told, reference = run(main(), 120)
        assert [compare(reference.transcript, each.transcript).lost for each in told] == [0, 0, 0]
        assert all(each.codes == [] for each in told)
        (worker,) = gateway.get("/v1/realtime/workers").json()["workers"]
        assert worker["capacity"] == 4
        assert "out of memory: fewer sessions in a step" in full.logs()


def in_turn(audio: list[Floats]) -> Floats:
    """Utterances with pauses between and behind them, none of them as loud as `POISON`."""
    pause = np.zeros(PAUSE, np.float32)
    quiet = [each * (0.5 / np.abs(each).max()) for each in audio]
    return np.concatenate([part for each in quiet for part in (each, pause)])


@pytest.mark.timeout(240)
def test_a_step_of_a_streaming_engine_that_fails_costs_one_session_one_utterance(
    server: tuple[RedisServer, GatewayProcess],
) -> None:
    redis, gateway = server
    heard = [in_turn([each.audio for each in spoken(4)[k:] + spoken(4)[:k]]) for k in range(4)]
    poisoned = heard[0].copy()
    begin = len(spoken(4)[0].audio) + PAUSE
    poisoned[begin + len(spoken(4)[1].audio) // 2] = POISON / 32768
    models = f"fast=faulty:poison:{POISON}:parakeet:{DIGITS}"
    with worker_process(redis.url, start_s=LOAD_S, models=models) as worker:

        async def main() -> tuple[list[Told], list[Told]]:
            await wait_for(gateway, worker, "ready")
            async with begun(gateway, 4) as sessions:
                expected = await asyncio.gather(*map(listen, sessions, map(as_pcm, heard)))
            async with begun(gateway, 4) as sessions:
                told = await asyncio.gather(*map(listen, sessions, map(as_pcm, [poisoned, *heard[1:]])))
                return list(expected), list(told)

        expected, told = run(main(), 120)
        assert "a step failed half-way" in worker.logs()
        assert [each.transcript for each in told[1:]] == [each.transcript for each in expected[1:]]
        assert [each.codes for each in told] == [["transcription_failed"], [], [], []]
        first, *rest = expected[0].finals
        assert told[0].finals == [first, "", *rest[1:]]


def test_a_model_that_takes_long_to_load_is_not_taken_for_hung(
    server: tuple[RedisServer, GatewayProcess],
) -> None:
    redis, gateway = server
    seconds = math.ceil(PassLimits().first) + 1
    with worker_process(redis.url, models=f"fast=faulty:load:{seconds}:instant:any") as slow:

        async def main() -> None:
            await wait_for(gateway, slow, "ready")
            async with begun(gateway, 1) as sessions:
                (told,) = await play(bytes(32_000), sessions)
            assert told.codes == []

        run(main(), 30)
        assert "waiting for stage processes" in slow.logs()
        assert "hangs" not in slow.logs()
