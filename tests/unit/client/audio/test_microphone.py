"""Checks the microphone with a sounddevice of the test's own, and the errors that say what is missing."""

import asyncio
import sys
from types import ModuleType
from typing import Any

import pytest

from dalston_realtime.client.audio.microphone import MAX_WAITING, SILENT_S, open_microphone
from dalston_realtime.client.errors import AudioError
from tests.support.fake_sound_device import FakeSoundDevice


def record(count: int, device: str | None = None) -> tuple[str, int, list[bytes]]:
    async def play() -> tuple[str, int, list[bytes]]:
        with open_microphone(device) as mic:
            chunks = [await anext(mic.chunks) for _ in range(count)]
            return mic.name, mic.sample_rate, chunks

    return asyncio.run(play())


def install(monkeypatch: pytest.MonkeyPatch, module: ModuleType | None) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", module)


def test_chunks_are_100_ms_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeSoundDevice())

    assert record(2) == ("Fake Mic", 16_000, [b"\0" * 3_200, b"\1" * 3_200])


def test_a_device_without_16_khz_records_at_its_own_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeSoundDevice(rates=(44_100,)))

    name, rate, (chunk,) = record(1)
    assert (name, rate, len(chunk)) == ("Fake Mic", 44_100, 8_820)


def test_a_missing_module_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None)

    with pytest.raises(AudioError, match=r"dalston-realtime\[mic\]"):
        record(1)


def test_a_missing_portaudio_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutLibrary:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [WithoutLibrary(), *sys.meta_path])

    with pytest.raises(AudioError, match="PortAudio library not found"):
        record(1)


def test_a_missing_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeSoundDevice())

    with pytest.raises(AudioError, match="no microphone: No input device matching 'nothing'"):
        record(1, "nothing")


def test_a_server_that_takes_too_little_is_an_error_and_not_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, FakeSoundDevice(chunks=MAX_WAITING + 1))

    async def play() -> list[bytes]:
        with open_microphone() as mic:
            await asyncio.sleep(0)  # the callbacks run
            taken = [await anext(mic.chunks) for _ in range(MAX_WAITING - 1)]
            with pytest.raises(AudioError, match="slower than it is recorded"):
                await anext(mic.chunks)
        return taken

    assert len(asyncio.run(play())) == MAX_WAITING - 1


def test_a_microphone_that_was_pulled_out_is_an_error_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeSoundDevice(chunks=1))

    async def play() -> None:
        with open_microphone(silent_s=0.05) as mic:
            assert await anext(mic.chunks)
            with pytest.raises(AudioError, match=r"nothing for 0\.05 s; is it still plugged in"):
                await anext(mic.chunks)

    asyncio.run(play())


def test_the_seconds_without_sound_are_few() -> None:
    assert SILENT_S <= 5
