"""Serves a WebSocket for uvicorn whose client may flood us, break the protocol, or never read.

Checked against uvicorn 0.54.0 and websockets 17.4; tests/unit/gateway/server/test_guarded_sockets.py fails
where another version behaves differently. What uvicorn's own class does, and this one does not:

- It reads on while nothing can be written: each ping leaves a pong in the memory, and nobody is ever cut off.
- It keeps each fragment of an unfinished message, also one without a byte, which counts towards no limit.
- It answers as many pings as one client sends, for which all others wait.
- It closes at once on what breaks the protocol, so that the application can't say first what is wrong, drops
  the messages before that, and logs a traceback for text that is no UTF-8.
"""

from asyncio import TimerHandle
from asyncio.transports import BaseTransport
from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple

from starlette.types import Message
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Request

from runtime.logs import get_logger
from runtime.plain_frames import read_plain_frames
from runtime.write_deadline import WriteDeadline

log = get_logger(__name__)

LINGER_S: Final = 1.0  # Seconds to read and drop what still comes, so that the client gets what it was told.

USUAL_BYTES: Final = 64 << 10  # Bytes of a message that may wait while the next one is read: 2 s of audio.
PINGS: Final = 20  # Pings in each `PING_SPAN_S` of one client; then it is not read for the rest of it.
PING_SPAN_S: Final = 1.0  # Seconds. A ping takes 30 us, so a flood of them would take all of the CPU.

LONG_MESSAGES: Final[Mapping[str, int]] = {
    "/v1/realtime": 21 << 20,  # OpenAI: 15 MiB of audio in base64, and the JSON around it.
    "/v1/speech-to-text/realtime": 2 << 20,  # ElevenLabs: 1 MiB of audio in base64.
}
"""The paths on which a message may be longer than elsewhere, and its bytes."""


class BrokenProtocol(NamedTuple):
    """The close code for what a client did that WebSockets do not allow, and what that was."""

    code: int
    reason: str


class GuardedSockets(WebSocketsSansIOProtocol):
    """One WebSocket. A client that breaks the protocol is a `websocket.disconnect` with the field `broken`;
    the application may still send, and the close that it sends gets the code of the protocol."""

    unwritable_s: ClassVar[float]
    max_pings = PINGS
    _broken: BrokenProtocol | None = None
    _deadline: WriteDeadline

    def connection_made(self, transport: BaseTransport) -> None:
        """Watch whether the client takes what is written."""
        super().connection_made(transport)
        self._deadline = WriteDeadline(self.transport, self.unwritable_s)
        self._message = bytearray()  # What has come of an unfinished message.
        self._pings = 0  # In the span of now.
        self._ping_span: TimerHandle | None = None

    def handle_connect(self, event: Request) -> None:
        """A client asks for a WebSocket; some services' clients put much into one message."""
        super().handle_connect(event)
        own = self.conn.max_message_size
        self.conn.max_message_size = LONG_MESSAGES.get(event.path.partition("?")[0], own)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing can be taken any more."""
        self._deadline.stop()
        if self._ping_span is not None:
            self._ping_span.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Read nothing, since what comes may have to be answered."""
        super().pause_writing()
        self._deadline.start()
        if not self.read_paused:
            self._read_on(False)

    def resume_writing(self) -> None:
        """Read again, unless the application has not taken the last message, or too many pings came."""
        super().resume_writing()
        self._deadline.stop()
        if self._may_read:
            self._read_on(True)

    async def receive(self) -> Any:
        """The next message; uvicorn then reads on, which must wait while nothing can be written, or after a
        flood of pings."""
        was_paused = self.read_paused
        message = await super().receive()
        if was_paused and not self.read_paused and not self._may_read:
            self._read_on(False)
        return message

    @property
    def _may_read(self) -> bool:
        return not self.read_paused and self.writable.is_set() and self._pings < self.max_pings

    def handle_ping(self) -> None:
        """Answer."""
        super().handle_ping()
        self._pings += 1
        if self._ping_span is None:
            self._ping_span = self.loop.call_later(PING_SPAN_S, self._end_ping_span)
        if self._pings == self.max_pings:
            self._read_on(False)

    def _end_ping_span(self) -> None:
        self._pings, self._ping_span = 0, None
        if self._may_read:
            self._read_on(True)

    def _read_on(self, reads: bool) -> None:
        if not self.transport.is_closing():
            (self.transport.resume_reading if reads else self.transport.pause_reading)()

    def data_received(self, data: bytes) -> None:
        """Handle what came; behind a breach of the protocol everything is dropped."""
        if self._broken is not None:
            return
        frames, rest = read_plain_frames(self.conn, data)
        for frame in frames:
            self._begin_message("text" if frame.opcode is Opcode.TEXT else "bytes", frame)
        if rest and self._broken is None:
            self._parse(rest)

    def _parse(self, data: bytes) -> None:
        self.conn.receive_data(data)
        self.handle_events()
        if self.conn.parser_exc is not None:
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Tell the application, which closes the connection."""
        close = self.conn.close_sent
        if close is None:  # It was broken before the upgrade.
            self.transport.abort()
        elif self._broken is None:
            self._break(BrokenProtocol(close.code, close.reason))

    def handle_text(self, event: Frame) -> None:
        """A text message begins."""
        self._begin_message("text", event)

    def handle_bytes(self, event: Frame) -> None:
        """A binary message begins."""
        self._begin_message("bytes", event)

    def handle_cont(self, event: Frame) -> None:
        """A message goes on."""
        self._message += event.data
        if event.fin:
            self._end_message()

    def _begin_message(self, kind: str, event: Frame) -> None:
        self.curr_msg_data_type = kind  # type: ignore[assignment]
        self._message = bytearray(event.data)
        if event.fin:
            self._end_message()

    def _end_message(self) -> None:
        self.frames, self._message = [bytes(self._message)], bytearray()
        if self._broken is not None:
            return
        if self.curr_msg_data_type == "text" and not _is_utf8(self.frames[0]):
            self.frames = []
            self._break(BrokenProtocol(CloseCode.INVALID_DATA, "a text frame that is not UTF-8"))
        else:
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        """Hand on a message; where one of usual size is all that waits, reading goes on."""
        if self.close_sent:
            return
        data, kind = self.frames.pop(), self.curr_msg_data_type
        message: Any = {"type": "websocket.receive", kind: data.decode() if kind == "text" else data}
        self.queue.put_nowait(message)
        if not self.read_paused and (self.queue.qsize() > 1 or len(data) > USUAL_BYTES):
            self.read_paused = True
            self.transport.pause_reading()

    def _break(self, broken: BrokenProtocol) -> None:
        """End the reading of messages; what still comes is dropped."""
        self._broken = broken
        self._message = bytearray()
        self.stop_keepalive()
        self.conn.data_to_send()  # Its own close, which would come before the last word of the application.
        message: Any = {"type": "websocket.disconnect", "code": broken.code, "reason": broken.reason}
        self.queue.put_nowait(message | {"broken": True})
        log.info("a client broke the protocol of WebSockets", code=int(broken.code), reason=broken.reason)

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Send what the application says, also the last word to a client that broke the protocol."""
        if self._broken is None or not self.handshake_complete:
            await super().send(message)  # type: ignore[arg-type]
            return
        await self.writable.wait()
        if self.transport.is_closing() or self.close_sent:
            return
        if message["type"] == "websocket.send" and message.get("text") is not None:
            self._write(Opcode.TEXT, message["text"].encode())
        elif message["type"] == "websocket.close":
            self._close(message.get("code", 1000), message.get("reason") or "")

    def _close(self, code: int, reason: str) -> None:
        """Close; a message that is too long is known to the application, which has a code of its own."""
        assert self._broken is not None
        if self._broken.code != CloseCode.MESSAGE_TOO_BIG:
            code, reason = self._broken
        self._write(Opcode.CLOSE, Close(code, reason).serialize())
        self.close_sent = True
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def _write(self, opcode: Opcode, data: bytes) -> None:
        self.transport.write(Frame(opcode, data).serialize(mask=False))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def guarded_sockets(unwritable_s: float) -> type[GuardedSockets]:
    """The protocol for uvicorn, which makes the instances itself."""
    return type("GuardedSockets", (GuardedSockets,), {"unwritable_s": unwritable_s})
