"""One session in the receiver: a WebSocket in, pipeline messages out, and finished frames back to it."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from websockets.asyncio.server import ServerConnection

from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from dalston_realtime.protocol.close_codes import CloseCode, close_code
from dalston_realtime.protocol.commands import flush_id, parse_control
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SessionConfig, apply_config
from runtime.errors import SessionError
from runtime.worker_link import AWAY, BACK
from stages.messages import (
    Audio,
    Close,
    Configure,
    Flush,
    Frame,
    Message,
    Open,
    Progress,
    SessionFailed,
    Stalled,
    TextEnd,
)
from stages.receiver.audio_input import AudioInput
from stages.receiver.event_writer import EventWriter
from stages.receiver.input_timeout import InputTimeout
from stages.receiver.lag import Lag
from stages.receiver.pipeline import StagePipeline

SLICE: Final = SAMPLE_RATE // 4 * BYTES_PER_SAMPLE  # bytes in one message: 250 ms
DECODE: Final = 1 << 14  # bytes of a frame that are decoded at a time
LEAST: Final = SAMPLE_RATE // 50 * BYTES_PER_SAMPLE  # bytes worth a message: 20 ms; less waits for more
CHECK_S: Final = 0.25  # lag is judged this often where no audio says that it is time to
IDLE_READ_S: Final = 0.002  # a read that took longer had nothing waiting
END_S: Final = 30.0  # from the client's end to session.end


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session may be idle, and how long it may be; seconds. Whether to tell the progress."""

    idle_s: float
    session_s: float
    progress: bool = False


class WorkerSession:
    """Reads a session's socket no faster than the pipeline takes the audio."""

    def __init__(
        self,
        socket: ServerConnection,
        opened: Open,
        config: SessionConfig,
        pipeline: StagePipeline,
        limits: Limits,
    ) -> None:
        self._socket, self._pipeline, self._limits = socket, pipeline, limits
        self._session, self._route, self._config = opened.session, opened.route, config
        self._opened = opened
        self._input = AudioInput(config.encoding, config.sample_rate, config.channels)
        self._pending = bytearray()  # samples that are too few for a message yet
        self._progress = asyncio.Event()
        self._closed: Literal["end", "gone"] | None = None  # the Close that has gone into the pipeline
        self._ended = False  # all that came of the session has come
        self._stall = InputTimeout(config.min_silence_ms)
        self._held_since: float | None = None  # the socket is not read
        self._unanswered = False  # audio came, and the gateway has not heard since that it is here
        self._waiting = False  # for a frame: none is there
        self.lag = Lag(opened.start, opened.start)
        self.outgoing = EventWriter(socket)

    def deliver(self, message: Message, payload: bytes) -> None:
        """Take what the senders say about this session; never waits."""
        match message:
            case Frame(kind=kind):
                self.outgoing.put(payload)
                if kind == "session.end":
                    self._ended = True
                    self.outgoing.end(CloseCode.NORMAL)
            case Progress(processed=processed):
                self.lag.processed = max(self.lag.processed, processed)
                self._progress.set()
                self._tell_progress()
            case TextEnd():
                self._pipeline.offer(message)
            case SessionFailed(code=code):
                self.outgoing.end(close_code(code))

    async def run(self) -> CloseCode:
        """Serve the session to its end; the code with which it was closed."""
        await self._pipeline.send(self._opened)
        reader = asyncio.create_task(self._read())
        reader.add_done_callback(self._reader_done)
        try:
            return await self.outgoing.run()
        finally:
            reader.cancel()
            await self._close("gone")

    def _reader_done(self, reader: "asyncio.Task[None]") -> None:
        if reader.cancelled() or (error := reader.exception()) is None:
            return
        if isinstance(error, SessionError):
            self.outgoing.fail(error.code, error.message)
        else:
            self.outgoing.abort(error)

    async def _read(self) -> None:
        """Read frames until the client ends, goes, or breaks a rule."""
        try:
            async with asyncio.timeout(self._limits.session_s):
                while await self._read_one():
                    pass
        except TimeoutError:
            raise SessionError(
                CloseCode.SESSION_TOO_LONG,
                f"the session reached its maximum of {self._limits.session_s:.0f} s; start a new one",
            ) from None
        await self._finish()

    async def _read_one(self) -> bool:
        before = time.monotonic()
        frame = await self._next_frame(before + self._limits.idle_s)
        arrived = time.monotonic_ns()
        if isinstance(frame, str):
            return await self._obey(frame, arrived)
        waited = arrived / 1e9 - before > IDLE_READ_S
        if not frame:
            await self._look_for_stall()
            return True
        self._unanswered = True
        for at in range(0, len(frame), DECODE):
            pcm = self._input.feed(frame[at : at + DECODE])
            await self._hear(pcm, arrived, waited=waited and at == 0)
        self._stall.heard(time.monotonic())
        return True

    async def _next_frame(self, idle_at: float) -> str | bytes:
        """The next frame; what has to be done while none comes is done meanwhile."""
        while (now := time.monotonic()) < idle_at:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(CHECK_S, idle_at - now, self._stall.remaining(now))):
                    return await self._receive()
            self.lag.wait()
            self._judge(0.0)
            await self._look_for_stall()
        raise SessionError(CloseCode.IDLE_TIMEOUT, f"no audio and no keepalive for {self._limits.idle_s:g} s")

    async def _receive(self) -> str | bytes:
        self._waiting = True
        try:
            return await self._socket.recv()
        finally:
            self._waiting = False

    async def _look_for_stall(self) -> None:
        """End the utterance of a client whose audio has stopped coming, with all that came of it."""
        if not self._stall.look(time.monotonic()):
            return
        arrived = time.monotonic_ns()
        await self._drain_pending(arrived)
        await self._pipeline.send(Stalled(self._session, self._route, (arrived, time.monotonic_ns())))

    async def _hear(self, pcm: bytes, arrived: int, *, waited: bool) -> None:
        self._pending += pcm
        while len(self._pending) >= LEAST:
            piece = bytes(self._pending[:SLICE])
            del self._pending[: len(piece)]
            await self._forward(piece, arrived, waited=waited)
            waited = False

    async def _forward(self, piece: bytes, arrived: int, *, waited: bool) -> None:
        held = await self._credit()
        start = self.lag.received
        self.lag.read(len(piece) // BYTES_PER_SAMPLE, held, waited=waited)
        stamps = (arrived, time.monotonic_ns())
        await self._pipeline.send(Audio(self._session, self._route, start, stamps), piece)
        self._judge(0.0)

    async def _credit(self) -> float:
        """Wait until the pipeline has dealt with enough of the audio; seconds that it took."""
        since = self._held_since = time.monotonic()
        while not self.lag.has_credit:
            self._progress.clear()
            try:
                async with asyncio.timeout(CHECK_S):
                    await self._progress.wait()
            except TimeoutError:
                self._judge(time.monotonic() - since)
        self._held_since = None
        return time.monotonic() - since

    def _judge(self, held: float) -> None:
        verdict = self.lag.judge(time.monotonic(), held)
        if verdict == "fine":
            return
        lag = round(self.lag.seconds(held), 3)
        if verdict == "exceeded":
            raise SessionError(
                CloseCode.LAG_EXCEEDED,
                f"results are {lag} s behind the audio; send slower, or add capacity",
            )
        self.outgoing.tell(
            "warning",
            code="processing_lag",
            message=f"results are {lag} s behind the audio",
            lag=lag,
            received=round(self.lag.received / SAMPLE_RATE, 3),
            processed=round(self.lag.processed / SAMPLE_RATE, 3),
        )

    @property
    def behind(self) -> float:
        """Seconds by which results are behind the audio."""
        held = 0.0 if self._held_since is None else time.monotonic() - self._held_since
        return self.lag.seconds(held)

    def show_life(self) -> None:
        """Let a gateway that sends audio, read or not, hear that this worker lives; to be called often."""
        if self._unanswered or not self._waiting:
            self._tell_progress()

    def _tell_progress(self) -> None:
        self._unanswered = False
        if self._limits.progress:
            self.outgoing.tell("progress", processed=round(self.lag.processed / SAMPLE_RATE, 3))

    async def _obey(self, text: str, arrived: int) -> bool:
        """Act on a control message; false if it was the client's end."""
        try:
            message = parse_control(text, (AWAY, BACK))
            if message["type"] == "end":
                return False
            if message["type"] == "flush":
                await self._flush(flush_id(message), arrived)
            elif message["type"] == "config":
                await self._configure(message)
            elif message["type"] == AWAY:
                self._stall.leave()
            elif message["type"] == BACK:
                self._stall.come_back(time.monotonic())
            else:
                await self._look_for_stall()
        except (ValueError, InvalidParameter) as error:
            self.outgoing.tell("error", code="invalid_message", message=str(error), recoverable=True)
        return True

    async def _flush(self, name: str, arrived: int) -> None:
        await self._drain_pending(arrived)
        stamps = (arrived, time.monotonic_ns())
        await self._pipeline.send(Flush(self._session, self._route, name, stamps))

    async def _configure(self, message: Mapping[str, Any]) -> None:
        self._config = c = apply_config(self._config, message)
        self._stall.min_silence_ms = c.min_silence_ms
        await self._pipeline.send(
            Configure(self._session, self._route, c.language, c.interim_results, c.min_silence_ms)
        )

    async def _drain_pending(self, arrived: int) -> None:
        if self._pending:
            piece = bytes(self._pending)
            self._pending.clear()
            await self._forward(piece, arrived, waited=True)

    async def _finish(self) -> None:
        """No more audio: everything that was received is transcribed, then `session.end` comes."""
        arrived = time.monotonic_ns()
        await self._hear(self._input.finish(), arrived, waited=True)
        await self._drain_pending(arrived)
        await self._close("end")
        try:
            async with asyncio.timeout(END_S):
                await self._socket.wait_closed()
        except TimeoutError:
            raise SessionError(
                CloseCode.INTERNAL, f"the transcript was not complete after {END_S:.0f} s"
            ) from None
        self.outgoing.leave()

    async def _close(self, reason: Literal["end", "gone"]) -> None:
        if not self._ended and self._closed != reason:
            self._closed = reason
            now = time.monotonic_ns()
            await self._pipeline.send(
                Close(self._session, self._route, reason, self.lag.received, (now, now))
            )
