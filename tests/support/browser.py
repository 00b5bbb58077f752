"""Drives a headless Chromium over its DevTools protocol: opens a page, clicks, reads what is shown."""

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.support.managed_process import ManagedProcess

NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome-headless-shell",
)
CALL_S: Final = 10.0  # Seconds of one call.
START_S: Final = 30.0  # Seconds until the browser listens; two on an idle machine.
LISTENING: Final = re.compile(r"DevTools listening on ws://([^/]+)/")


def find_browser() -> str | None:
    """The path of a Chromium on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class BrowserTab:
    """The one tab of a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._call("Page.enable")

    def open(self, url: str) -> None:
        """Go to a page."""
        self._call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        return self._call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as a person would: a script's click is no gesture of a user."""
        box = self.evaluate(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({_box(selector)})")
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(CALL_S))
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])


@contextmanager
def browser_with_microphone(binary: str, folder: Path, sound: Path) -> Iterator[BrowserTab]:
    """A browser whose microphone plays `sound` once, and whose user allows it; its profile is in `folder`."""
    command = [
        binary,
        "--headless=new",
        "--no-sandbox",  # It would not start as root.
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}%noloop",
        "--use-fake-ui-for-media-stream",
        "about:blank",
    ]
    with ManagedProcess(*command) as process:
        match = LISTENING.search(process.line(LISTENING.pattern, deadline_s=START_S))
        assert match is not None
        pages = httpx.get(f"http://{match[1]}/json/list", timeout=CALL_S).json()
        target = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(target, max_size=None, proxy=None) as connection:
            yield BrowserTab(connection)


def _box(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
