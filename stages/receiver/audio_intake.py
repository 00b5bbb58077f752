"""Sends the samples of one session into the pipeline no faster than it takes them, and watches the lag."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import ServerWarning
from runtime.errors import SessionError
from stages.messages import Audio, Open
from stages.receiver.event_writer import EventWriter
from stages.receiver.lag import Lag, LagLimits
from stages.receiver.pipeline import StagePipeline
from stages.topology import STAGES

SLICE: Final = SAMPLE_RATE // 4 * BYTES_PER_SAMPLE  # Bytes of one message, 250 ms: others get their turn.
LEAST: Final = SAMPLE_RATE // 50 * BYTES_PER_SAMPLE  # Bytes worth a message, 20 ms: less waits for more.
NOTHING_WAITS: Final = math.inf  # Seconds of a wait: no audio is left that could be read at once.
CHECK_S: Final = 0.25  # Seconds after which the lag is assessed where no audio says that it is time to.
LONG_PASS_S: Final = 3.0  # Seconds of a forward pass in progress: what is late is late because of it.
ASR: Final = STAGES.index("asr")  # Where a route has the ASR process.


class AudioIntake:
    """The samples of a session that were read, and the credit for more. `clock` counts nanoseconds."""

    def __init__(
        self,
        opened: Sequence[Open],
        pipeline: StagePipeline,
        writer: EventWriter,
        limits: LagLimits,
        clock: Callable[[], int],
    ) -> None:
        """`opened` is the session, or each of its separate channels, whose samples then come interleaved."""
        self._opened, self._route = opened, opened[0].route
        self._channels = len(opened)
        self._processed = {each.session: each.start for each in opened}
        self._pipeline, self._writer, self._clock = pipeline, writer, clock
        self._pending = bytearray()  # samples that are too few for a message yet
        self._has_progressed = asyncio.Event()
        self._held_since: float | None = None  # when reading the socket was suspended, in seconds
        start = min(self._processed.values())
        self.lag = Lag(start, start, limits)

    async def append_audio(self, pcm: bytes, arrived: int, *, waited_s: float) -> None:
        """Send on samples that arrived at `arrived` (ns), for which the socket was waited for `waited_s`.

        Raises:
            SessionError: results are too far behind.
        """
        self._pending += pcm
        while len(self._pending) >= LEAST * self._channels:
            piece = bytes(self._pending[: SLICE * self._channels])
            del self._pending[: len(piece)]
            await self._send_audio(piece, arrived, waited_s=waited_s)
            waited_s = 0.0

    async def send_pending(self, arrived: int) -> None:
        """Send what is too little for a message of its own, since something follows it.

        Raises:
            SessionError: results are too far behind.
        """
        if self._pending:
            piece = bytes(self._pending)
            self._pending.clear()
            await self._send_audio(piece, arrived, waited_s=NOTHING_WAITS)

    def on_processed(self, session: str, processed: int) -> None:
        """The pipeline has dealt with all audio of a session, or of a channel, up to a sample."""
        self._processed[session] = max(self._processed[session], processed)
        self.lag.processed = max(self.lag.processed, min(self._processed.values()))
        self._has_progressed.set()

    @property
    def lag_s(self) -> float:
        """Seconds by which results are behind the audio."""
        held = 0.0 if self._held_since is None else self._now() - self._held_since
        return self.lag.seconds(held)

    def check_lag(self, held_s: float = 0.0) -> None:
        """Warn the client of a lag; `held_s` is for how long reading has been suspended so far.

        What one forward pass that takes long adds to the lag ends no session: either it ends, and the lag
        with it, or it hangs, and another worker goes on with the session. A lag that grows over several long
        passes, as on a machine without CPU to spare, does.

        Raises:
            SessionError: results are too far behind.
        """
        verdict = self.lag.assess(self._now(), held_s)
        if verdict == "fine":
            return
        lag = round(self.lag.seconds(held_s), 3)
        if verdict == "exceeded":
            age = self._pipeline.pass_age(self._route[ASR])
            if age >= LONG_PASS_S and lag - age < self.lag.limits.end:
                return
            raise SessionError(
                CloseCode.LAG_EXCEEDED,
                f"results are {lag} s behind the audio; send slower, or add capacity",
            )
        self._writer.send_event(
            ServerWarning(
                code="processing_lag",
                message=f"results are {lag} s behind the audio",
                lag=lag,
                received=round(self.lag.audio_s, 3),
                processed=round(self.lag.processed_s, 3),
            )
        )

    def _now(self) -> float:
        return self._clock() / 1e9

    async def _send_audio(self, piece: bytes, arrived: int, *, waited_s: float) -> None:
        held_s = await self._wait_for_credit()
        start = self.lag.received
        self.lag.on_read(len(piece) // BYTES_PER_SAMPLE // self._channels, held_s, waited_s=waited_s)
        stamps = (arrived, self._clock())
        for opened, samples in zip(self._opened, self._apart(piece), strict=True):
            behind = max(0, opened.start - start)  # A channel that was ahead has no use for what is before.
            wanted = samples[behind * BYTES_PER_SAMPLE :]
            if wanted:
                audio = Audio(opened.session, self._route, start + behind, stamps)
                await self._pipeline.send(audio, wanted)
        self.check_lag()

    def _apart(self, piece: bytes) -> list[bytes]:
        """The samples of each channel."""
        if self._channels == 1:
            return [piece]
        frames = np.frombuffer(piece, "<i2").reshape(-1, self._channels)
        return [channel.tobytes() for channel in frames.T]

    async def _wait_for_credit(self) -> float:
        """Wait until the pipeline has dealt with enough of the audio; seconds that it took."""
        since = self._held_since = self._now()
        while not self.lag.has_credit:
            self._has_progressed.clear()
            try:
                async with asyncio.timeout(CHECK_S):
                    await self._has_progressed.wait()
            except TimeoutError:
                self.check_lag(self._now() - since)
        self._held_since = None
        return self._now() - since
