"""Serves one session in the receiver: reads its WebSocket, fills the pipeline, hands back finished frames."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from websockets.asyncio.server import ServerConnection

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.close_codes import CloseCode, close_code
from dalston_realtime.protocol.commands import (
    BadCommand,
    ConfigCommand,
    EndCommand,
    FlushCommand,
    KeepaliveCommand,
)
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import ServerError
from dalston_realtime.protocol.parameters import apply_config
from runtime.audio.audio_input import AudioInput
from runtime.errors import SessionError
from runtime.worker_link import ClientPresence, OpenSession, Progress, decode_gateway_message
from stages.messages import (
    AudioProcessed,
    Close,
    Configure,
    Flush,
    Frame,
    InputTimedOut,
    Message,
    Route,
    SessionFailed,
    Stamps,
    TextEnd,
)
from stages.receiver.audio_intake import NOTHING_WAITS, AudioIntake
from stages.receiver.event_writer import EventWriter
from stages.receiver.idle_timeout import IdleTimeout
from stages.receiver.input_check import InputCheck
from stages.receiver.input_timeout import CONFIRM_S, InputTimeout
from stages.receiver.lag import LagLimits
from stages.receiver.opening import openings
from stages.receiver.pipeline import StagePipeline

DECODE: Final = 1 << 14  # Bytes of a frame that are decoded at a time, so that the loop is not held up.
CHECK_S: Final = 0.25  # Seconds after which the lag is assessed where no audio says that it is time to.
END_S: Final = 30.0  # Seconds from the client's end to session.end, for up to CREDIT of audio.

CloseReason: TypeAlias = Literal["end", "gone"]


@dataclass(frozen=True, slots=True)
class WorkerSessionLimits:
    """How long a session may be idle, and how long it may be, in seconds; and how far it may lag."""

    idle_s: float
    session_s: float
    lag: LagLimits = field(default_factory=LagLimits)


class WorkerSession:
    """Reads a session's socket no faster than the pipeline takes the audio. `clock` counts nanoseconds."""

    def __init__(
        self,
        socket: ServerConnection,
        asked: OpenSession,
        route: Route,
        pipeline: StagePipeline,
        limits: WorkerSessionLimits,
        clock: Callable[[], int] = time.monotonic_ns,
        has_backlog: Callable[[], bool] = lambda: False,
    ) -> None:
        """`has_backlog` says whether anything waits in the socket."""
        self._socket, self._pipeline, self._limits, self._clock = socket, pipeline, limits, clock
        self._opened = opened = openings(asked, route)
        self._route, self._config = route, asked.config
        self._age_s = asked.resume.age if asked.resume else 0.0  # At other workers.
        self._has_backlog, config = has_backlog, asked.config
        self._input = AudioInput(
            config.encoding, config.sample_rate, config.channels, separate=bool(config.separate)
        )
        self._check = InputCheck(config.encoding, goes_on=any(each.start or each.replayed for each in opened))
        self._close_sent: CloseReason | None = None  # the Close that has gone into the pipeline
        self._is_complete = False  # all that came of the session has come
        self._timeout = InputTimeout(config.min_silence_ms)
        self._idle = IdleTimeout(limits.idle_s, self._now())
        self._owes_progress = (
            True  # it began, or audio came, and the gateway has not heard since that it is here
        )
        self._is_receiving = False  # nothing is there to read
        self.writer = EventWriter(socket)
        self.intake = AudioIntake(opened, pipeline, self.writer, limits.lag, clock)

    @property
    def session_id(self) -> str:
        """The client's name of the session."""
        return self._opened[0].session_id

    @property
    def new_audio_s(self) -> float:
        """Seconds of audio that came since the session began here."""
        return self.intake.lag.audio_s - min(each.start for each in self._opened) / SAMPLE_RATE

    def handle_result(self, message: Message, payload: bytes) -> None:
        """Handle what the senders say about this session; never waits."""
        match message:
            case Frame(kind=kind):
                self.writer.append_frame(payload.decode())
                if kind == "session.end":
                    self._is_complete = True
                    self.writer.close_after_frames(CloseCode.NORMAL)
            case AudioProcessed(session=session, processed=processed):
                self.intake.on_processed(session, processed)
                self._send_progress()
            case TextEnd():
                self._pipeline.offer(message)
            case SessionFailed(code=code):
                self.writer.close_after_frames(close_code(code))

    async def run(self) -> CloseCode:
        """Serve the session to its end; the code with which it was closed."""
        for opened in self._opened:
            await self._pipeline.send(opened)
        reader = asyncio.create_task(self._read())
        reader.add_done_callback(self._on_reader_done)
        try:
            return await self.writer.run()
        finally:
            reader.cancel()
            await self._send_close("gone")

    def _now(self) -> float:
        return self._clock() / 1e9

    def _on_reader_done(self, reader: "asyncio.Task[None]") -> None:
        if reader.cancelled() or (error := reader.exception()) is None:
            return
        if isinstance(error, SessionError):
            self.writer.close_with_error(error.code, error.message)
        else:
            self.writer.abort(error)

    async def _read(self) -> None:
        """Read frames until the client ends, goes, or breaks a rule."""
        try:
            async with asyncio.timeout(self._limits.session_s - self._age_s):
                while await self._read_one():
                    pass
        except TimeoutError:
            raise SessionError(
                CloseCode.SESSION_TOO_LONG,
                f"the session reached its maximum of {self._limits.session_s:.0f} s; start a new one",
            ) from None
        await self._end_session()

    async def _read_one(self) -> bool:
        # On a busy machine it takes long to read what has been waiting: the clock alone does not tell.
        waits, before = not self._has_backlog(), self._now()
        frame = await self._next_frame()
        arrived = self._clock()
        if isinstance(frame, str):
            goes_on = await self._handle_control(frame, arrived)
            self._check_idle()
            return goes_on
        waited_s = arrived / 1e9 - before if waits else 0.0
        if not frame:
            await self._check_input_timeout()
            self._check_idle()
            return True
        self._owes_progress = True
        self._check.inspect(frame)
        for at in range(0, len(frame), DECODE):
            pcm = self._input.decode_bytes(frame[at : at + DECODE])
            heard = bytes(len(pcm)) if self._check.is_noise else pcm
            await self.intake.append_audio(heard, arrived, waited_s=0.0 if at else waited_s)
        for warning in self._check.warnings(self._input.inverted_channels):
            self.writer.send_event(warning)
        self._timeout.on_audio(self._now())
        self._idle.on_sign(self._now())
        return True

    async def _next_frame(self) -> str | bytes:
        """The next frame; what has to be done while none comes is done meanwhile."""
        while True:
            now = self._now()
            idle = max(CONFIRM_S, self._idle.seconds_left(now))  # What waits in the socket is read first.
            with suppress(TimeoutError):
                async with asyncio.timeout(min(CHECK_S, idle, self._timeout.seconds_to_check(now))):
                    return await self._receive_frame()
            if not self._has_backlog():
                self.intake.lag.on_empty_socket()
            self.intake.check_lag()
            await self._check_input_timeout()
            self._check_idle()

    def _check_idle(self) -> None:
        """Whether audio or a keepalive came lately; other frames are no sign that somebody is there.

        Raises:
            SessionError: neither came.
        """
        if not self._idle.seconds_left(self._now()):
            seconds = self._limits.idle_s
            raise SessionError(CloseCode.IDLE_TIMEOUT, f"no audio and no keepalive for {seconds:g} s")

    async def _receive_frame(self) -> str | bytes:
        self._is_receiving = True
        try:
            return await self._socket.recv()
        finally:
            self._is_receiving = False

    async def _check_input_timeout(self) -> None:
        """End the utterance of a client whose audio has stopped coming, with all that came of it."""
        if not self._timeout.has_expired(self._now()):
            return
        arrived = self._clock()
        await self._send_held(arrived)
        stamps = self._stamps(arrived)
        await self._send_to_all(lambda session: InputTimedOut(session, self._route, stamps))

    async def _send_to_all(self, message: Callable[[str], Message]) -> None:
        """Send a message for the session, or for each of its separate channels, whose key it is made for."""
        for opened in self._opened:
            await self._pipeline.send(message(opened.session))

    async def _send_held(self, arrived: int) -> None:
        """Send on all that came of the audio, since something follows it."""
        await self.intake.append_audio(self._input.drain(), arrived, waited_s=NOTHING_WAITS)
        await self.intake.send_pending(arrived)

    @property
    def lag_s(self) -> float:
        """Seconds by which results are behind the audio."""
        return self.intake.lag_s

    def _stamps(self, arrived: int) -> Stamps:
        return arrived, self._clock()

    def report_alive(self) -> None:
        """Let a gateway that sends audio, read or not, hear that this worker lives; to be called often."""
        if self._owes_progress or not self._is_receiving:
            self._send_progress()

    def _send_progress(self) -> None:
        self._owes_progress = False
        self.writer.send_event(Progress(processed=round(self.intake.lag.processed_s, 3)))

    async def _handle_control(self, text: str, arrived: int) -> bool:
        """Act on a command, or on what the gateway says of its client; false for the client's end."""
        try:
            message = decode_gateway_message(text)
            match message:
                case EndCommand():
                    return False
                case FlushCommand(id=name):
                    await self._send_held(arrived)
                    stamps = self._stamps(arrived)
                    await self._send_to_all(lambda session: Flush(session, self._route, name, stamps))
                case ConfigCommand():
                    await self._configure(message)
                case ClientPresence(present=True):
                    self._timeout.on_client_present(self._now())
                    self._idle.on_client_present(self._now())
                case ClientPresence():
                    self._timeout.on_client_away()
                    self._idle.on_client_away()
                case KeepaliveCommand():
                    self._idle.on_sign(self._now())
                    await self._check_input_timeout()
        except (BadCommand, InvalidParameter) as error:
            self.writer.send_event(ServerError(code="invalid_message", message=str(error), recoverable=True))
        return True

    async def _configure(self, command: ConfigCommand) -> None:
        self._config = c = apply_config(self._config, command)
        self._timeout.min_silence_ms = c.min_silence_ms
        await self._send_to_all(
            lambda session: Configure(session, self._route, c.language, c.interim_results, c.min_silence_ms)
        )

    async def _end_session(self) -> None:
        """No more audio: everything that was received is transcribed, then `session.end` comes."""
        arrived = self._clock()
        await self._send_held(arrived)
        await self._send_close("end")
        try:
            async with asyncio.timeout(END_S):
                await self._socket.wait_closed()
        except TimeoutError:
            raise SessionError(
                CloseCode.INTERNAL, f"the transcript was not complete after {END_S:.0f} s"
            ) from None
        self.writer.stop_writing()

    async def _send_close(self, reason: CloseReason) -> None:
        if not self._is_complete and self._close_sent != reason:
            self._close_sent = reason
            now, received = self._clock(), self.intake.lag.received
            await self._send_to_all(lambda session: Close(session, self._route, reason, received, (now, now)))
