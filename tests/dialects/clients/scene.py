"""Runs the scenes that a driver is given, all at once, and prints what its client heard; needs no library."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

CHUNK_S = 0.05  # Seconds of audio in each message.
QUIET_S = 5.0  # Seconds without an event, where a protocol has no end: enough for a busy machine.
LONGEST_S = 90.0  # Seconds until a scene that hangs is given up.


class Scene(NamedTuple):
    """What a client plays: `audio` is a file of raw samples, `idle` seconds pass before it.

    - manual: the client says where turns end, where its protocol knows that.
    - flush: it asks for what is left at the end; else the silence has to end it.
    - flags: it asks for things that nobody does.
    """

    name: str
    url: str
    audio: str
    rate: int = 16_000
    encoding: str = "pcm"
    key: str = "test-key"
    manual: bool = False
    flush: bool = True
    flags: bool = False
    idle: float = 0.0
    pace: float = 4.0

    @property
    def ws(self) -> str:
        """The server's address for WebSockets."""
        return self.url.replace("http", "ws", 1)

    def chunks(self) -> Iterator[bytes]:
        """The audio in messages."""
        data = Path(self.audio).read_bytes()
        size = round(self.rate * CHUNK_S) * (1 if self.encoding == "mulaw" else 2)
        return (data[at : at + size] for at in range(0, len(data), size))

    async def paced(self) -> AsyncIterator[bytes]:
        """The audio in messages, at the pace of the scene."""
        await asyncio.sleep(self.idle)
        begin = time.monotonic()
        for number, chunk in enumerate(self.chunks()):
            await asyncio.sleep(max(0.0, begin + number * CHUNK_S / self.pace - time.monotonic()))
            yield chunk


class ClientHeard:
    """What a client heard in one scene: finals, and the answers to flushes, which may be empty."""

    def __init__(self) -> None:
        self.finals: list[str] = []
        self.answers = 0

    def final(self, text: str | None) -> None:
        """A final came; empty ones count as answers only."""
        if text and text.strip():
            self.finals.append(text.strip())


Play = Callable[[Scene, ClientHeard], Awaitable[None]]


async def _run(play: Play, scene: Scene) -> dict[str, Any]:
    heard, error = ClientHeard(), None
    try:
        async with asyncio.timeout(LONGEST_S):
            await play(scene, heard)
    except (Exception, SystemExit) as failure:  # noqa: BLE001 - whatever a client raises is what is judged
        error = f"{type(failure).__name__}: {failure}"
    return {"finals": heard.finals, "answers": heard.answers, "error": error}


async def _run_all(play: Play, scenes: list[Scene]) -> dict[str, Any]:
    results = await asyncio.gather(*(_run(play, scene) for scene in scenes))
    return dict(zip((scene.name for scene in scenes), results, strict=True))


def main(play: Play) -> None:
    """Play the scenes in the file that the command line names; the last line printed is the result."""
    scenes = [Scene(**each) for each in json.loads(Path(sys.argv[1]).read_text())]
    print(json.dumps(asyncio.run(_run_all(play, scenes))), flush=True)
