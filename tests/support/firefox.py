"""Drives a headless Firefox over WebDriver BiDi, with a microphone that hums and a silent sound device."""

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

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.managed_process import DEADLINE_S, ManagedProcess

PROGRAMS: Final = ("firefox-esr", "pulseaudio")
CALL_S: Final = 30.0  # Seconds of one call.
POLL_S: Final = 0.05  # Seconds between two looks at the page.
LISTENING: Final = re.compile(r"BiDi listening on (ws://\S+)")
PREFERENCES: Final = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "datareporting.policy.dataSubmissionEnabled": False,
}


class FirefoxTab:
    """The one tab of a Firefox."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._numbers = connection, itertools.count(1)
        self._call("session.new", capabilities={})
        self._context = self._call("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is there."""
        self._call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        json_text = f"JSON.stringify({script})"
        target = {"context": self._context}
        found = self._call("script.evaluate", expression=json_text, target=target, awaitPromise=False)
        assert found["type"] == "success", found
        return json.loads(found["result"].get("value", "null"))

    def wait_for(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        until = time.monotonic() + DEADLINE_S
        while not self.evaluate(f"Boolean({condition})"):
            text = self.evaluate("document.body.innerText") if time.monotonic() > until else ""
            assert not text, f"{condition} is not so; the page says {text!r}"
            time.sleep(POLL_S)

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as a person would."""
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        x, y = self.evaluate(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({box})")
        moves: list[dict[str, Any]] = [{"type": "pointerMove", "x": int(x), "y": int(y)}]
        moves += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        mouse = {"type": "pointer", "id": "mouse", "actions": moves}
        self._call("input.performActions", context=self._context, actions=[mouse])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(CALL_S))
            if message.get("id") == number:
                assert message["type"] == "success", message
                return dict(message["result"])


@contextmanager
def firefox_with_microphone(folder: Path) -> Iterator[FirefoxTab]:
    """A Firefox whose user allows the microphone; the test is skipped where there is none.

    Without a sound device Firefox lets no AudioContext run, so there is one.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"on Debian: apt-get install {' '.join(missing)}")
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (folder / "user.js").write_text("\n".join(lines))
    command = (
        "firefox-esr",
        "--headless",
        "--no-remote",
        "--profile",
        folder,
        "--remote-debugging-port",
        "0",
    )
    with _silent_device(folder) as device:
        env = os.environ | {"HOME": str(folder), "PULSE_SERVER": device}
        with ManagedProcess(*command, env=env) as process:
            match = LISTENING.search(process.line(LISTENING.pattern))
            assert match is not None
            with connect(f"{match[1]}/session", max_size=None, proxy=None) as connection:
                yield FirefoxTab(connection)


@contextmanager
def _silent_device(folder: Path) -> Iterator[str]:
    """A sound device that plays nothing; its address."""
    socket = folder / "sound"
    script = folder / "sound.pa"
    protocol = f"load-module module-native-protocol-unix socket={socket} auth-anonymous=1"
    script.write_text(f"load-module module-null-sink\n{protocol}\n")
    env = os.environ | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    command = ("pulseaudio", "-n", "-F", script, "--exit-idle-time=-1", "--use-pid-file=no", "--daemonize=no")
    with ManagedProcess(*command, env=env) as process:
        until = time.monotonic() + DEADLINE_S
        while not socket.exists():
            assert time.monotonic() < until, process.lines
            time.sleep(POLL_S)
        yield f"unix:{socket}"
