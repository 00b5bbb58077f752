"""Drives a headless Chromium over its DevTools protocol: opens a page, clicks, reads what is shown."""

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.sync.client import ClientConnection, connect

NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome-headless-shell",
)
CALL_S: Final = 10.0  # Seconds of one call.
STOP_S: Final = 10.0  # Seconds from SIGTERM to the end of the process.
LISTENING: Final = re.compile(r"DevTools listening on ws://([^/]+)/")


def find_browser() -> str | None:
    """The path of a Chromium on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
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
def browser_with_microphone(binary: str, folder: Path, sound: Path) -> Iterator[Page]:
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
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = next(match[1] for line in process.stderr if (match := LISTENING.search(line)))
        pages = httpx.get(f"http://{address}/json/list", timeout=CALL_S).json()
        target = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(target, max_size=None, proxy=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _box(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
