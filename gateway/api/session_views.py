"""Answers what a page about one session asks beside its transcript: how loud it is when, and its jobs."""

import asyncio
import wave
from array import array
from itertools import pairwise
from typing import IO, Annotated, Any, Final

import msgspec
from msgspec import Meta

from dalston_realtime.protocol.jobs import BatchJob
from gateway.api.history import AWAY, SESSION, UNKNOWN
from gateway.api.history_params import SessionId
from gateway.api.operation import ApiError, operation
from gateway.auth.principal import Principal
from storage.history.reading.history_reader import HistoryReader
from storage.history.upkeep.session_files import SessionFiles
from storage.jobs.store import JobStore

NO_AUDIO: Final = "no such session, or no audio of it"
BARS: Final = 600  # Bars of a waveform where the caller does not say: about as many as a page has room for.
MAX_BARS: Final = 2_000  # Bars of a waveform.
MAX_BAR_S: Final = (
    2  # Seconds at the begin of a bar that are read: a day of audio is 60 MB then, and not 2.7 GB.
)
FULL_SCALE: Final = 32_768  # The largest sample of 16 bits.


class WaveformParams(msgspec.Struct, frozen=True):
    """How fine a waveform is wanted."""

    bars: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_BARS,
            description="how many",
            extra={"must_be": f"a whole number from 1 to {MAX_BARS}"},
        ),
    ] = BARS


class WaveformBody(msgspec.Struct, frozen=True):
    """The loudest sample of each bar, from 0 to 1; all bars together are as long as the recording."""

    seconds: float
    peaks: list[float]


class SessionJobsBody(msgspec.Struct, frozen=True):
    """The jobs of a session, the youngest first."""

    jobs: list[BatchJob]


class SessionViewApi:
    """The endpoints that only pages need so far."""

    def __init__(self, reader: HistoryReader, files: SessionFiles, jobs: JobStore) -> None:
        self._reader, self._files, self._jobs = reader, files, jobs

    @operation(
        "GET",
        SESSION + "/waveform",
        scope="history",
        errors={404: "no such session, or no audio of it", 503: AWAY},
    )
    async def waveform(
        self, principal: Principal, session_id: SessionId, query: WaveformParams
    ) -> WaveformBody:
        """How loud the recording is, bar by bar."""
        session = await self._find(principal, session_id)
        try:
            return await asyncio.to_thread(self._read_waveform, session["id"], query.bars)
        except FileNotFoundError:
            raise ApiError(404, "no_audio", "no audio of this session is kept") from None
        except (OSError, EOFError, wave.Error) as error:
            text = f"the recording can't be read now: {error}"
            raise ApiError(503, "audio_unavailable", text) from None

    @operation("GET", SESSION + "/jobs", scope="history", errors={404: UNKNOWN, 503: AWAY})
    async def session_jobs(self, principal: Principal, session_id: SessionId) -> SessionJobsBody:
        """The jobs of a session, without their results."""
        session = await self._find(principal, session_id)
        return SessionJobsBody([*await asyncio.to_thread(self._jobs.list, principal.id, session["id"])])

    async def _find(self, principal: Principal, session_id: str) -> dict[str, Any]:
        session = await asyncio.to_thread(self._reader.session, principal.id, session_id)
        if session is None:
            raise ApiError(404, "unknown_session", UNKNOWN)
        return session

    def _read_waveform(self, session_id: str, bars: int) -> WaveformBody:
        with self._files.open_audio(session_id) as file:
            return read_waveform(file, bars)


def read_waveform(file: IO[bytes], bars: int) -> WaveformBody:
    """The waveform of a WAV file with 16-bit samples; a short one has fewer bars.

    Raises:
        wave.Error, EOFError: it is no WAV file.
    """
    with wave.open(file) as sound:
        frames, rate = sound.getnframes(), sound.getframerate()
        count = min(bars, frames)
        edges = [frames * bar // count for bar in range(count + 1)] if count else []
        peaks = []
        for first, end in pairwise(edges):
            sound.setpos(first)
            samples = array("h", sound.readframes(min(end - first, MAX_BAR_S * rate)))
            peaks.append(round(max(max(samples, default=0), -min(samples, default=0)) / FULL_SCALE, 3))
        return WaveformBody(round(frames / rate, 3), peaks)
