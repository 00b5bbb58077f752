"""Runs what the tests of pages need: a browser, a gateway behind a wire that may be cut, a worker."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.support.browser import BrowserTab, browser_with_microphone, needed_browser
from tests.support.chaos.wire import Wire
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer
from tests.support.speech import samples, write_wav
from tests.support.talking_worker import talker


class PageServer:
    """A gateway as a browser sees it, at `url`; its data are in `folder`.

    `talk` is a recording, which the browser's microphone plays.
    """

    def __init__(self, gateway: GatewayProcess, page: BrowserTab, near: "_Nearby", talk: Path) -> None:
        self.gateway, self.page, self.talk = gateway, page, talk
        self._near, self.folder = near, talk.parent
        self.url = f"http://localhost:{near.wire.port}"

    def open(self, path: str = "/") -> BrowserTab:
        """The page at this path, once its scripts have run."""
        self.page.open("about:blank")
        self.page.open(self.url + path)
        self.page.wait_for("document.readyState === 'complete' && location.protocol === 'http:'")
        return self.page

    def disconnect(self) -> None:
        """Cut all connections without a word; no other one comes through."""
        self._near.wire.gateways.clear()
        self._near.call(self._near.wire.cut_all)

    def reconnect(self) -> None:
        """Let connections through again."""
        self._near.wire.gateways.append(self.gateway.port)


class _Nearby:
    """A worker and a wire, on an event loop in a thread."""

    def __init__(self, redis: RedisServer, gateway: GatewayProcess) -> None:
        self.wire = Wire([gateway.port], Random(1))
        self._redis = redis
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(),), daemon=True
        )

    def __enter__(self) -> "_Nearby":
        self._thread.start()
        assert self._ready.wait(DEADLINE_S)
        return self

    def __exit__(self, *_failure: object) -> None:
        self.call(self._stop.set)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    def call(self, act: Callable[[], object]) -> None:
        """Do something on the loop."""
        self._loop.call_soon_threadsafe(act)

    async def _run(self) -> None:
        async with fake_worker(self._redis.url, talker, capacity=1):
            server = await asyncio.start_server(self.wire.carry, "localhost", 0)
            self.wire.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stop.wait()
            server.close()
            self.wire.cut_all()


@contextmanager
def page_server(redis: RedisServer, folder: Path) -> Iterator[PageServer]:
    """A browser and what it needs, for the duration of a block."""
    binary = needed_browser()
    talk = folder / "talk.wav"
    write_wav(talk, samples("beckett.wav"))
    settings = {"data_dir": str(folder / "data"), "resume_window": "30", "gateway_timeout": "600"}
    with (
        gateway_process(redis.url, **settings) as gateway,
        _Nearby(redis, gateway) as near,
        browser_with_microphone(binary, folder / "profile", talk) as page,
    ):
        yield PageServer(gateway, page, near, talk)
