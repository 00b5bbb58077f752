"""Measures the pages in Chromium with a real server: python -m tests.support.page_figures."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from tests.support.browser import BrowserTab, browser_with_microphone, needed_browser
from tests.support.chaos.wire import Wire
from tests.support.servers import whole_server
from tests.support.speech import TWO_CITIES, samples, word_error_rate, write_wav

PATHS: Final = (
    "/healthz",
    "/",
    "/sessions",
    "/operator",
)  # The first one is no page: what a browser needs for one line.
LOADS: Final = 5  # Times that each page is loaded.
CUT_S: Final = 5.0  # Seconds without a network.
UTTERANCES: Final = 1_200  # Of an hour: each has three partials and a final.
SPEECH_S: Final = 46  # Seconds of the recording, and of silence behind it.
FINALS: Final = "[...document.querySelectorAll('.log p > span')]"
ELAPSED: Final = "Number(document.querySelector('#elapsed').textContent.split(':')[1])"  # Seconds.
LATENCIES: Final = """(() => {
    globalThis.heard = []; globalThis.shown = []; globalThis.painted = [];
    const Plain = WebSocket;
    globalThis.WebSocket = class extends Plain {
        constructor(...all) {
            super(...all);
            this.addEventListener("message", ({ data }) => {
                if (data.includes('"transcript.')) heard.push(performance.now());
            });
        }
    };
    new MutationObserver(() => {
        if (shown.length === heard.length) return;
        const at = heard.length - 1;
        shown[at] ??= performance.now() - heard[at];
        requestAnimationFrame(() => setTimeout(() => { painted[at] ??= performance.now() - heard[at]; }));
    }).observe(document.querySelector("#transcript"), { subtree: true, childList: true });
})()"""
HOUR: Final = """void (async () => {
    const { TranscriptView } = await import("/static/transcript-view.js");
    const view = new TranscriptView(document.querySelector("#transcript"));
    const tasks = [];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
        .observe({ entryTypes: ["longtask"] });
    const words = "it was the best of times it was the worst of times it was the age".split(" ");
    const frames = [];
    for (let second = 0; second < 3600; second += 3) {
        const began = performance.now();
        for (let part = 4; part <= 12; part += 4) {
            view.showPartial({ text: words.slice(0, part).join(" "), stable: 10 });
        }
        view.addFinal({ text: words.join(" "), start: second, end: second + 2.8 });
        document.body.getBoundingClientRect();
        frames.push(performance.now() - began);
        await new Promise((resolve) => setTimeout(resolve));
    }
    const elements = document.querySelectorAll("*").length;
    globalThis.hour = { elements, longest: Math.max(...frames), tasks: tasks.length };
})()"""


@contextmanager
def browser(folder: Path, sound: Path) -> Iterator[BrowserTab]:
    """A browser of its own: its microphone plays from the begin."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as profile,
        browser_with_microphone(needed_browser(), Path(profile), sound) as page,
    ):
        page.show(1280, 800)
        yield page


def first_paint(page: BrowserTab, url: str) -> tuple[float, float]:
    """Milliseconds until something is seen, and kilobytes that came."""
    page.open("about:blank")
    page.open(url)
    page.wait_for("performance.getEntriesByName('first-contentful-paint').length")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    parts = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
    size = page.evaluate(f"{parts}.reduce((sum, each) => sum + each.encodedBodySize, 0)")
    return float(paint), size / 1000


class CuttableNetwork:
    """A proxy to a server, on an event loop in a thread, whose connections may be cut."""

    def __init__(self, port: int) -> None:
        self._port, self._loop = port, asyncio.new_event_loop()
        self._wire = Wire([port], Random(1))
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        listening = asyncio.start_server(self._wire.carry, "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def cut(self, seconds: float) -> None:
        """Break all connections without a word, and let none through for so long."""
        self._wire.gateways.clear()
        self._loop.call_soon_threadsafe(self._wire.cut_all)
        time.sleep(seconds)
        self._wire.gateways.append(self._port)


def dictate(page: BrowserTab, url: str, network: CuttableNetwork | None = None) -> str:
    """What stands on the page when the microphone has played its recording; `network` is cut meanwhile."""
    page.open(network.url if network else url)
    page.wait_for("document.querySelector('#model').options[0].text.includes('(')")
    page.evaluate(LATENCIES)
    page.click("#start")
    if network:
        page.wait_for(f"{FINALS}.length > 3")
        network.cut(CUT_S)
        assert "The connection is lost" in page.text()
        page.wait_for("document.querySelector('#notice').innerText.includes('Nothing is missing')")
    while page.evaluate(ELAPSED) < SPEECH_S:
        time.sleep(1.0)
    page.click("#stop")
    page.wait_for("!document.querySelector('#start').hidden")
    return str(page.evaluate(f"{FINALS}.map((each) => each.textContent).join('')"))


def python_client(url: str, sound: Path) -> str:
    """What the Python client writes of the same recording."""
    command = (sys.executable, "-m", "dalston_realtime.cli", "transcribe", str(sound))
    env = os.environ | {"DALSTON_URL": url.replace("http", "ws")}
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def show(name: str, value: str) -> None:
    """A row of the table."""
    print(f"| {name} | {value} |", flush=True)


def main() -> None:
    """Measure everything, one after another."""
    with tempfile.TemporaryDirectory() as name, whole_server() as server:
        folder = Path(name)
        sound = write_wav(folder / "two_cities.wav", samples("two_cities.wav"))
        url = server.url.replace("ws", "http", 1)
        with browser(folder, sound) as page:
            for path in PATHS:
                loads = [first_paint(page, url + path) for _ in range(LOADS)]
                median = statistics.median(paint for paint, _ in loads)
                show(
                    f"first paint of {path}, median / most of {LOADS}",
                    f"{median:.0f} / {max(loads)[0]:.0f} ms",
                )
                show(f"bytes of {path}", f"{loads[0][1]:.0f} kB")
            page.open(url)
            page.wait_for("document.readyState === 'complete'")
            before = page.work_seconds()
            page.evaluate(HOUR)
            while not page.evaluate("Boolean(globalThis.hour)"):
                time.sleep(1.0)
            hour = page.evaluate("hour")
            used = (page.work_seconds() - before) / UTTERANCES
            show("an hour of captions: processor time of an utterance", f"{1000 * used:.1f} ms")
            show(
                "an hour of captions: elements, longest update",
                f"{hour['elements']}, {hour['longest']:.1f} ms",
            )
            show("an hour of captions: tasks of more than 50 ms", f"{hour['tasks']}")
        with browser(folder, sound) as page:
            text = dictate(page, url)
            for words, kind in (("on the page", "shown"), ("painted", "painted")):
                times = sorted(page.evaluate(f"{kind}.filter((each) => each !== null)"))
                p95 = times[round(0.95 * (len(times) - 1))]
                show(
                    f"words {words} after their event, p50 / p95 / most of {len(times)}",
                    f"{statistics.median(times):.1f} / {p95:.1f} / {times[-1]:.1f} ms",
                )
        show("word error rate on the page", f"{100 * word_error_rate(TWO_CITIES, text):.1f} %")
        client = python_client(url, sound)
        show("word error rate of the Python client", f"{100 * word_error_rate(TWO_CITIES, client):.1f} %")
        with browser(folder, sound) as page:
            text = dictate(page, url, CuttableNetwork(server.port))
            show(
                f"word error rate with {CUT_S:.0f} s without a network",
                f"{100 * word_error_rate(TWO_CITIES, text):.1f} %",
            )
        show("load average", f"{os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
