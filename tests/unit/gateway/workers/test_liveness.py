"""Who is there: a worker that says something in time and one that does not, a client that comes back."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.commands import KeepaliveCommand
from gateway.workers.connection import WorkerConnection
from gateway.workers.liveness import Liveness, LivenessLimits
from runtime.errors import SessionError
from runtime.worker_link import ClientPresence, decode_gateway_message
from tests.support.virtual_time import VirtualClock, pass_time, run_virtually

LIMITS = LivenessLimits(first_word=2.0, look=0.5, hung=1.75, recheck=0.05, keepalive=10.0)
AWAY, BACK, ALIVE = ClientPresence(present=False), ClientPresence(present=True), KeepaliveCommand()


def watched(act: Callable[[Liveness], Coroutine[Any, Any, None]]) -> bool:
    """Whether a worker is taken for hung by the time `act` ends."""

    async def main(_clock: VirtualClock) -> bool:
        liveness = Liveness(LIMITS)
        watching = asyncio.create_task(liveness.until_hung())
        await asyncio.sleep(0)
        await act(liveness)
        hung = watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return hung

    return run_virtually(main)


async def speak(liveness: Liveness, *, answered: bool, seconds: float = 10.0) -> None:
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        liveness.on_audio()
        if answered:
            liveness.on_event()
        await pass_time(0.1)


def test_a_worker_that_gets_audio_and_says_nothing_hangs() -> None:
    async def act(liveness: Liveness) -> None:
        liveness.on_event()
        await pass_time(0.01)
        await speak(liveness, answered=False, seconds=2.6)

    assert watched(act)


def test_a_worker_is_not_judged_before_its_time() -> None:
    async def act(liveness: Liveness) -> None:
        liveness.on_event()
        await pass_time(0.01)
        await speak(liveness, answered=False, seconds=2.0)

    assert not watched(act)


def test_a_worker_that_answers_does_not_hang() -> None:
    assert not watched(lambda liveness: speak(liveness, answered=True))


def test_a_worker_that_gets_nothing_has_nothing_to_say() -> None:
    async def act(liveness: Liveness) -> None:
        liveness.on_event()
        await pass_time(60)

    assert not watched(act)


def test_a_worker_that_has_not_begun_yet_is_not_judged() -> None:
    assert not watched(lambda liveness: speak(liveness, answered=False))


def test_a_worker_that_takes_over_has_to_say_something_soon() -> None:
    async def main(_clock: VirtualClock) -> list[bool]:
        silent, talks = Liveness(LIMITS), Liveness(LIMITS)
        watching = [asyncio.create_task(each.until_silent()) for each in (silent, talks)]
        await pass_time(1)
        talks.on_event()
        await pass_time(2)
        lost = [task.done() for task in watching]
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        return lost

    assert run_virtually(main) == [True, False]


class NotingWorker:
    """A worker that notes what it is told of the client, or takes nothing."""

    def __init__(self, failure: SessionError | None = None) -> None:
        self.told: list[object] = []
        self._failure = failure

    async def send(self, text: str) -> bool:
        if self._failure:
            raise self._failure
        self.told.append(decode_gateway_message(text))
        return True


def test_a_worker_hears_that_the_client_is_away_and_back() -> None:
    async def main(_clock: VirtualClock) -> list[object]:
        liveness, worker = Liveness(LIMITS), NotingWorker()
        liveness.on_presence(True)
        watching = asyncio.create_task(liveness.report_presence(cast(WorkerConnection, worker)))
        await pass_time(60)
        for present, seconds in ((False, 25), (True, 60)):
            liveness.on_presence(present)
            await pass_time(seconds)
        liveness.on_presence(True)
        await pass_time(60)
        watching.cancel()
        return worker.told

    assert run_virtually(main) == [AWAY, ALIVE, ALIVE, BACK]


def test_another_worker_hears_first_that_the_client_is_away() -> None:
    async def main(_clock: VirtualClock) -> list[object]:
        worker = NotingWorker()
        watching = asyncio.create_task(Liveness(LIMITS).report_presence(cast(WorkerConnection, worker)))
        await pass_time(1)
        watching.cancel()
        return worker.told

    assert run_virtually(main) == [AWAY]


def test_a_worker_that_takes_nothing_is_lost() -> None:
    async def main(_clock: VirtualClock) -> None:
        worker = NotingWorker(SessionError(CloseCode.INTERNAL, "the worker takes no audio"))
        await Liveness(LIMITS).report_presence(cast(WorkerConnection, worker))

    run_virtually(main)
