"""Drives a headless Chromium over its DevTools protocol: opens a page, clicks, reads what is shown."""

import base64
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.managed_process import DEADLINE_S, ManagedProcess

NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome-headless-shell",
)
CALL_S: Final = 30.0  # Seconds of one call; on a busy machine a page takes its time.
POLL_S: Final = 0.05  # Seconds between two looks at the page.
START_S: Final = 30.0  # Seconds until the browser listens; two on an idle machine.
WATCH: Final = """
    window.trouble = [];
    addEventListener("error", (event) => trouble.push(String(event.message)));
    addEventListener("unhandledrejection", (event) => trouble.push(String(event.reason)));
    addEventListener("securitypolicyviolation", (event) => trouble.push(event.effectiveDirective));
"""
LISTENING: Final = re.compile(r"DevTools listening on ws://([^/]+)/")


def find_browser() -> str | None:
    """The path of a Chromium on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def needed_browser() -> str:
    """The path of a Chromium; where there is none the test is skipped, but in CI, where it fails."""
    binary = find_browser()
    if binary is None and not os.environ.get("CI"):
        pytest.skip("no Chromium on this machine: on Debian, apt-get install chromium")
    assert binary is not None, "no Chromium: .ci/run installs it"
    return binary


class BrowserTab:
    """The one tab of a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._call("Page.enable")
        self._call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def open(self, url: str) -> None:
        """Go to a page."""
        self._call("Page.navigate", url=url)

    def trouble(self) -> list[str]:
        """The errors of the page's scripts, and what its Content-Security-Policy has refused."""
        return list(self.evaluate("trouble"))

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        return self._call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        until = time.monotonic() + DEADLINE_S
        while not self.evaluate(f"(() => {{ try {{ return !!({condition}) }} catch {{ return false }} }})()"):
            assert time.monotonic() < until, f"{condition} is not so; the page says {self.text()!r}"
            time.sleep(POLL_S)

    def text(self) -> str:
        """What a person can read on the page."""
        return str(self.evaluate("document.body?.innerText"))

    def show(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be a screen of this size, whose user likes it light or dark."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        """Save what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def choose_file(self, selector: str, file: Path) -> None:
        """Choose a file in a field, as a person would in the dialog."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def run(self, script: str) -> Any:
        """The value that a JavaScript promise comes to."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def work_seconds(self) -> float:
        """Seconds of a processor that the page has used so far; others' work does not count."""
        self._call("Performance.enable", timeDomain="threadTicks")
        metrics = self._call("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    def sleep(self, *, on: bool) -> None:
        """Freeze the page, as a browser does while the machine sleeps, or let it go on."""
        self._call("Page.setWebLifecycleState", state="frozen" if on else "active")

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as a person would: a script's click is no gesture of a user."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{ block: 'center' }})")
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
