"""Who is there: a worker that says something in time and one that does not, a client that comes back."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import orjson
import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.workers.connection import WorkerConnection
from gateway.workers.liveness import Liveness
from runtime.errors import SessionError


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LOOK_S", 0.001), ("HUNG_S", 0.05), ("AGAIN_S", 0.001)):
        monkeypatch.setattr(f"gateway.workers.liveness.{name}", seconds)


def watched(act: Callable[[Liveness], Coroutine[Any, Any, None]]) -> bool:
    """Whether a worker is taken for hung by the time `act` ends."""

    async def main() -> bool:
        watch = Liveness()
        watching = asyncio.create_task(watch.hung())
        async with asyncio.timeout(5):
            await act(watch)
        hung = watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return hung

    return asyncio.run(main())


async def speak(watch: Liveness, *, heard: bool, seconds: float = 0.3) -> None:
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        watch.speak()
        if heard:
            watch.hear()
        await asyncio.sleep(0.005)


def test_a_worker_that_gets_audio_and_says_nothing_hangs() -> None:
    async def act(watch: Liveness) -> None:
        watch.hear()
        await asyncio.sleep(0.01)
        await speak(watch, heard=False)

    assert watched(act)


def test_a_worker_that_answers_does_not() -> None:
    assert not watched(lambda watch: speak(watch, heard=True))


def test_a_worker_that_gets_nothing_has_nothing_to_say() -> None:
    async def act(watch: Liveness) -> None:
        watch.hear()
        await asyncio.sleep(0.2)

    assert not watched(act)


def test_a_worker_that_has_not_begun_yet_is_not_judged() -> None:
    assert not watched(lambda watch: speak(watch, heard=False))


class Link:
    """A link that notes the types of what it is told, or takes nothing."""

    def __init__(self, failure: SessionError | None = None) -> None:
        self.told: list[str] = []
        self.news = asyncio.Event()
        self._failure = failure

    async def send(self, text: str) -> bool:
        if self._failure:
            raise self._failure
        self.told.append(orjson.loads(text)["type"])
        self.news.set()
        return True

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.told) < count:
                self.news.clear()
                await self.news.wait()


def test_a_worker_hears_that_the_client_is_away_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.workers.liveness.KEEPALIVE_S", 0.01)

    async def main() -> list[str]:
        watch, link, away = Liveness(), Link(), [False]
        watching = asyncio.create_task(watch.client(cast(WorkerConnection, link), lambda: away[0]))
        for is_away, count in ((True, 3), (False, 4)):
            await asyncio.sleep(0)
            away[0] = is_away
            watch.attend()
            await link.until(count)
        watch.attend()
        await asyncio.sleep(0.05)
        watching.cancel()
        return link.told

    told = asyncio.run(main())
    assert (told[0], told[-1], told.count("back"), told.count("away")) == ("away", "back", 1, 1)
    assert set(told[1:-1]) == {"keepalive"}


def test_another_worker_hears_first_that_the_client_is_away() -> None:
    async def main() -> list[str]:
        link = Link()
        watching = asyncio.create_task(Liveness().client(cast(WorkerConnection, link), lambda: True))
        await link.until(1)
        watching.cancel()
        return link.told

    assert asyncio.run(main()) == ["away"]


def test_a_worker_that_takes_nothing_is_lost() -> None:
    async def main() -> object:
        link = Link(SessionError(CloseCode.INTERNAL, "the worker takes no audio"))
        return await Liveness().client(cast(WorkerConnection, link), lambda: True)

    assert asyncio.run(main()) is None
