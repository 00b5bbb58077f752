"""Records the microphone as chunks of mono s16le, at the device's rate where it has no 16 kHz."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from dalston_realtime.client.audio.chunks import CHUNK_MS
from dalston_realtime.client.errors import AudioError, one_line
from dalston_realtime.protocol.audio import SAMPLE_RATE

SILENT_S: Final = 5.0  # Seconds without a chunk; a device that is there gives one every 100 ms.
MAX_WAITING: Final = 100  # Chunks, 10 s: a server that is further behind ends the session itself.


@dataclass(frozen=True, slots=True)
class Microphone:
    """An open input device."""

    name: str
    sample_rate: int  # Hz
    chunks: AsyncIterator[bytes]


@contextmanager
def open_microphone(device: str | int | None = None, silent_s: float = SILENT_S) -> Iterator[Microphone]:
    """Record from `device` (a part of its name, its number, or None for the default).

    A device that gives nothing for `silent_s` seconds is taken for pulled out.

    Runs inside an event loop.

    Raises:
        AudioError: sounddevice, PortAudio or the device is missing; the text says which.
    """
    sd = _sounddevice()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING)
    loop = asyncio.get_running_loop()

    def recorded(data: Any, *_: Any) -> None:
        loop.call_soon_threadsafe(_put, queue, bytes(data))

    try:
        info = sd.query_devices(device, "input")
        rate = _sample_rate(sd, device, info)
        stream = sd.RawInputStream(
            samplerate=rate,
            blocksize=rate * CHUNK_MS // 1000,
            device=device,
            channels=1,
            dtype="int16",
            callback=recorded,
        )
        with stream:
            yield Microphone(one_line(info["name"], 80), rate, _drained(queue, silent_s, stream.abort))
    except (sd.PortAudioError, ValueError) as error:
        raise AudioError(
            f"no microphone: {one_line(error, 120)}; `python -m sounddevice` lists the devices,"
            " --device picks one"
        ) from None


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise AudioError("the microphone needs the extra: pip install 'dalston-realtime[mic]'") from None
    except OSError as error:
        raise AudioError(
            f"the microphone needs PortAudio ({one_line(error, 80)});"
            " on Debian and Ubuntu: apt install libportaudio2"
        ) from None
    return sounddevice


def _sample_rate(sd: Any, device: str | int | None, info: Any) -> int:
    """16 kHz where the device can, else its own rate: the server resamples."""
    try:
        sd.check_input_settings(device=device, channels=1, dtype="int16", samplerate=SAMPLE_RATE)
    except sd.PortAudioError:
        return int(info["default_samplerate"])
    return SAMPLE_RATE


def _put(queue: asyncio.Queue[bytes | None], chunk: bytes) -> None:
    if not queue.full():
        queue.put_nowait(chunk)
    else:
        queue.get_nowait()
        queue.put_nowait(None)


async def _drained(
    queue: asyncio.Queue[bytes | None], silent_s: float, abort: Callable[[], None]
) -> AsyncIterator[bytes]:
    while (chunk := await _next_chunk(queue, silent_s, abort)) is not None:
        yield chunk
    raise AudioError("the server takes audio slower than it is recorded; some of it was lost")


async def _next_chunk(
    queue: asyncio.Queue[bytes | None], silent_s: float, abort: Callable[[], None]
) -> bytes | None:
    """The next item; a device that gives nothing is told to stop without waiting for its buffers."""
    try:
        return await asyncio.wait_for(queue.get(), silent_s)
    except TimeoutError:
        abort()
        raise AudioError(
            f"the microphone has given nothing for {silent_s:g} s; is it still plugged in?"
        ) from None
