"""Stands in for the library sounddevice: a microphone that records its chunks at once."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Self


class PortAudioError(Exception):
    pass


class FakeSoundDevice(ModuleType):
    """As much of sounddevice as is used; `rates` are those that the device can."""

    PortAudioError = PortAudioError

    def __init__(self, rates: tuple[int, ...] = (16_000,), chunks: int = 2) -> None:
        super().__init__("sounddevice")
        self.rates = rates
        self.chunks = chunks

    def query_devices(self, device: str | int | None, kind: str) -> dict[str, Any]:
        assert kind == "input"
        if device == "nothing":
            raise ValueError("No input device matching 'nothing'")
        return {"name": "Fake Mic", "default_samplerate": 44_100.0}

    def check_input_settings(self, samplerate: int, **_: Any) -> None:
        if samplerate not in self.rates:
            raise PortAudioError("Invalid sample rate")

    def RawInputStream(  # noqa: N802 - sounddevice's name
        self, callback: Callable[..., None], blocksize: int, **_: Any
    ) -> "FakeStream":
        return FakeStream(callback, blocksize, self.chunks)


class FakeStream:
    """A stream that records all of its chunks at once."""

    def __init__(self, callback: Callable[..., None], blocksize: int, chunks: int) -> None:
        self.aborted = False
        self.callback, self.blocksize, self.chunks = callback, blocksize, chunks

    def __enter__(self) -> Self:
        for number in range(self.chunks):
            self.callback(bytes([number % 256]) * 2 * self.blocksize, self.blocksize, None, None)
        return self

    def abort(self) -> None:
        self.aborted = True

    def __exit__(self, *_: object) -> None:
        self.callback = lambda *_: None
