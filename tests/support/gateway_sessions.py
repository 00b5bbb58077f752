"""Plays sessions at a gateway whose worker says what it has heard, and loses their connections."""

import asyncio
from contextlib import AbstractContextManager
from typing import Final

from websockets.asyncio.client import connect

from tests.support.fake_worker import FakeWorker, WorkerVisit, read_message
from tests.support.gateway_process import Client, GatewayProcess, gateway_process
from tests.support.redis_cluster import AnyRedis

SECOND: Final = bytes(32_000)


async def recorder(visit: WorkerVisit) -> None:
    """Takes everything; one final for each second of audio, which begins where the worker began."""
    await visit.begin()
    resume = visit.request.resume
    begun = resume.clock / 16_000 if resume else 0.0
    number = resume.utterance if resume else 1
    async for frame in visit.connection:
        visit.received.append(frame)
        if isinstance(frame, bytes):
            heard = begun + sum(len(f) for f in visit.received if isinstance(f, bytes)) / 32_000
            await visit.event("progress", processed=heard)
            while number <= int(heard):
                text = f"w{number}"
                start = {"start": number - 1.0, "end": float(number)}
                await visit.event("transcript.final", utterance=number, text=text, **start)
                number += 1
        elif read_message(frame).get("type") == "end":
            await visit.event("session.end", transcript="?", audio_duration=heard, speech_duration=0.0)
            await visit.connection.close(1000)
            return


def lose(worker: FakeWorker, code: int | None) -> None:
    """End the worker's connections: by a code, or without a word."""
    for visit in worker.visits:
        if code is None:
            visit.connection.transport.abort()
        else:
            asyncio.get_running_loop().create_task(visit.connection.close(code))


async def finals(me: Client, count: int) -> list[str]:
    """The texts of the next finals."""
    return [(await me.event("transcript.final"))["text"] for _ in range(count)]


async def lost(me: Client) -> str:
    """Break the client's connection; the token with which it comes back."""
    me.connection.transport.abort()
    return me.resume_point


async def begun(me: Client) -> None:
    """Wait until the client knows its session."""
    me.session_id = (await me.event("session.begin"))["session_id"]


async def resumed(gateway: GatewayProcess, token: str, replayed: list[str], audio: float) -> Client:
    """Come back, and check what is said first."""
    connection = await connect(gateway.url(f"resume={token}"), proxy=None, compression=None)
    me = Client(connection)
    me.begin_again(token)
    assert [await me.event() for _ in replayed] == [
        {"type": "transcript.final", "utterance": int(w[1:]), "text": w, "start": int(w[1:]) - 1.0}
        | {"end": float(w[1:]), "seq": me.seq - len(replayed) + n + 1}
        for n, w in enumerate(replayed)
    ]
    event = await me.event()
    assert (event["type"], event["session_id"]) == ("session.resumed", me.session_id)
    assert event["audio_received"] == audio
    return me


def kept_gateway(redis: AnyRedis) -> AbstractContextManager[GatewayProcess]:
    """A gateway whose clients have long to come back."""
    return gateway_process(redis.url, resume_window="20")
