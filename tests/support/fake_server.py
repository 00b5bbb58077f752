"""Runs a scripted server of the client protocol on a free loopback port, in a thread of its own."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from dalston_realtime.protocol.audio import MAX_FRAME_BYTES
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import (
    CLIENT_END,
    Event,
    Final,
    Partial,
    Segment,
    ServerError,
    SessionBegin,
    SessionEnd,
    SessionResumed,
    SpeechEnd,
    SpeechStart,
    encode_event,
)

SESSION = "s1"
TOKEN = "t1"
Script = Callable[["Call"], Awaitable[None]]


@dataclass
class FakeServer:
    """What the tests know of the server: its address and everything that it was sent."""

    url: str = ""
    queries: list[dict[str, str]] = field(default_factory=list)
    headers: list[Headers] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    frames: list[int] = field(default_factory=list)  # bytes in each
    messages: list[dict[str, Any]] = field(default_factory=list)


class Call:
    """One client's session, as a script sees it."""

    def __init__(self, server: FakeServer, socket: ServerConnection) -> None:
        self.server = server
        self.socket = socket
        self.seq = 0
        self._received = 0  # bytes of audio
        self._segments: list[Segment] = []

    async def say(self, event: Event) -> None:
        """Send an event with the next `seq`."""
        self.seq += 1
        if isinstance(event, Final) and event.text:
            self._segments.append(_segment(event))
        event = msgspec.structs.replace(event, seq=self.seq)
        await self.socket.send(encode_event(event).decode())

    async def receive(self) -> dict[str, Any] | int:
        """The next message, or the number of bytes in the next audio frame."""
        frame = await self.socket.recv()
        if isinstance(frame, bytes):
            self.server.audio += frame
            self.server.frames.append(len(frame))
            self._received += len(frame)
            return len(frame)
        message: dict[str, Any] = json.loads(frame)
        self.server.messages.append(message)
        return message

    async def receive_until(self, kind: str) -> None:
        """Take everything up to the message of this type."""
        while True:
            frame = await self.receive()
            if isinstance(frame, dict) and frame["type"] == kind:
                return

    async def begin(self) -> None:
        """`session.begin` as a small model would say it."""
        await self.say(
            SessionBegin(session_id=SESSION, resume_token=TOKEN, model="tiny", variant="fast", language="en")
        )

    async def resume(self, last_seq: int, audio_received: float = 0.0) -> None:
        """`session.resumed` for a client that has seen the events up to `last_seq`."""
        await self.say(
            SessionResumed(
                session_id=SESSION,
                replayed_from=last_seq + 1,
                audio_received=audio_received,
                messages_received=0,
            )
        )

    async def end(self, transcript: str = "") -> None:
        """`session.end`, then close 1000."""
        seconds = self._received / 32_000
        await self.say(
            SessionEnd(
                session_id=SESSION,
                transcript=transcript,
                segments=tuple(self._segments),
                audio_duration=seconds,
                speech_duration=seconds,
                reason=CLIENT_END,
            )
        )
        await self.socket.close(CloseCode.NORMAL, "")

    async def fail(self, code: CloseCode, message: str, retry_after: float | None = None) -> None:
        """An `error` event and its close code."""
        await self.say(
            ServerError(code=code.error, message=message, recoverable=False, retry_after=retry_after)
        )
        await self.socket.close(code, code.error)


def _segment(final: Final) -> Segment:
    return Segment(utterance=final.utterance or 0, text=final.text, start=final.start, end=final.end)


async def two_utterances(call: Call) -> None:
    """A session as it should be, with timing where it was asked for."""
    timing = TIMING if call.server.queries[-1].get("timing") == "true" else None
    await call.begin()
    await call.receive()
    await call.say(SpeechStart(timestamp=0.1))
    await call.say(Partial(utterance=1, text="Hello wor", stable=6, start=0.1, end=0.4, timing=timing))
    await call.say(Final(utterance=1, text="Hello world.", start=0.1, end=0.5, timing=timing))
    await call.say(SpeechEnd(timestamp=0.5))
    await call.receive_until("end")
    await call.say(Final(utterance=2, text="Good bye.", start=0.6, end=0.9, timing=timing))
    await call.end("Hello world. Good bye.")


TIMING = {
    "receiver": 1.0,
    "vad_queue": 1.0,
    "vad": 2.0,
    "endpoint_wait": 300.0,
    "asr_queue": 10.0,
    "asr": 90.0,
    "assembler_queue": 0.5,
    "assembler": 0.5,
    "sender_queue": 0.5,
    "sender": 0.5,
    "total": 110.0,
    "routing": 1.0,
    "gateway": 0.5,
}


@contextmanager
def fake_server(
    script: Script = two_utterances, answers: dict[str, tuple[int, Any]] | None = None
) -> Iterator[FakeServer]:
    """Run `script` for each client; `answers` maps a path to an HTTP status and a JSON body."""
    server = FakeServer()
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    work = _serve(server, script, answers or {}, ready, stop)
    thread = threading.Thread(target=_run, args=(loop, work), name="fake server")
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()


def _run(loop: asyncio.AbstractEventLoop, work: Awaitable[None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work)  # type: ignore[arg-type]


async def _serve(
    server: FakeServer,
    script: Script,
    answers: dict[str, tuple[int, Any]],
    ready: threading.Event,
    stop: asyncio.Event,
) -> None:
    async def talk(socket: ServerConnection) -> None:
        assert socket.request is not None
        server.queries.append(dict(parse_qsl(urlsplit(socket.request.path).query)))
        server.headers.append(socket.request.headers)
        try:
            await script(Call(server, socket))
        except ConnectionClosed:
            return

    def answer(_socket: ServerConnection, request: Request) -> Response | None:
        if (known := answers.get(urlsplit(request.path).path)) is None:
            return None
        status = HTTPStatus(known[0])
        body = known[1] if isinstance(known[1], bytes) else json.dumps(known[1]).encode()
        headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
        return Response(status, status.phrase, headers, body)

    async with serve(
        talk, "127.0.0.1", 0, process_request=answer, compression=None, max_size=MAX_FRAME_BYTES
    ) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}"
        ready.set()
        await stop.wait()
