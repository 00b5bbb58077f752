"""Real speech that is cut off in mid-sentence, by clients that never say that they are done."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from runtime.local_server import LocalServer
from tests.support.speech import TWO_CITIES, samples
from tests.support.system_sessions import DEADLINE_S, END, Event, chunks, read_all, stream
from tests.support.words import compare

SECOND = 32_000  # bytes
CUT = 7 * SECOND + SECOND // 2  # in the middle of a sentence


async def until_final(socket: ClientConnection) -> list[Event]:
    """All events up to the next final."""
    events: list[Event] = []
    while not events or events[-1]["type"] != "transcript.final":
        events.append(json.loads(await socket.recv()))
    return events


async def keep_alive(socket: ClientConnection) -> None:
    while True:
        await socket.send('{"type":"keepalive"}')
        await asyncio.sleep(0.05)


def last(events: list[Event]) -> Any:
    return events[-1]


@pytest.mark.parametrize("alive", [False, True], ids=["nothing", "keepalives"])
def test_what_was_said_until_it_stopped_is_final_and_the_session_goes_on(
    server: LocalServer, alive: bool
) -> None:
    pcm = samples("two_cities.wav").tobytes()

    async def talk() -> list[Event]:
        async with (
            asyncio.timeout(DEADLINE_S),
            connect(stream(server), compression=None, ping_timeout=None) as socket,
        ):
            for chunk in chunks(pcm[:CUT]):
                await socket.send(chunk)
            keeping = asyncio.create_task(keep_alive(socket)) if alive else None
            events = await until_final(socket)
            while last(events)["end"] < CUT / SECOND - 0.01:
                events += await until_final(socket)
            if keeping:
                keeping.cancel()
            await socket.send('{"type":"flush","id":"x"}')
            events += await until_final(socket)
            assert (last(events)["flush_id"], last(events)["text"]) == ("x", "")
            for chunk in chunks(pcm[CUT : 2 * CUT]):
                await socket.send(chunk)
            await socket.send(END)
            return events + await read_all(socket)

    events = asyncio.run(talk())
    finals = [e for e in events if e["type"] == "transcript.final"]
    assert [f["utterance"] for f in finals] == list(range(1, len(finals) + 1))
    stopped = next(n for n, f in enumerate(finals) if f.get("end", 0) >= CUT / SECOND - 0.01)
    assert finals[stopped]["text"]
    assert all("start" in f and f["start"] > CUT / SECOND - 1.3 for f in finals[stopped + 2 :])
    assert last(events)["audio_duration"] == pytest.approx(2 * CUT / SECOND)
    heard = last(events)["transcript"]
    said = " ".join(TWO_CITIES.split()[: len(heard.split())])
    found = compare(said, heard)
    assert found.lost + found.doubled <= 2, found.passages  # the last word, and half a word at the stop
