"""Plays recordings through the real libraries of other services: they hear what our own client hears.

Each client runs once, in its own environment and process, with all of its scenes at the same time. The light
clients are tested always; `make conformance` adds LiveKit and Pipecat, and prints the table.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
import soxr

from dalston_realtime import Final, transcribe_stream
from runtime.local_server import ROOT, LocalServer
from tests.support.client_environments import interpreter_of
from tests.support.conformance import ASSERTIONS, HEAVY, LIGHT, ConformantClient, table
from tests.support.servers import whole_server
from tests.support.speech import samples, word_error_rate

CLIENTS = (*LIGHT, *(HEAVY if os.environ.get("CONFORMANCE") == "all" else ()))
CASES = [(client, name) for client in CLIENTS for name in client.assertions]
AT_ONCE = 2  # Clients that play: most of their time they wait.
PLAY_S = 180.0  # Seconds for all scenes of a client, on a busy machine.
IDLE_S = 12.0
SPOKEN = slice(0, 54_400)  # Two utterances, with 0.5 s of silence behind.
CUT = slice(0, 84_000)  # It ends in the middle of a word.

Results = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """One whole server for all clients."""
    with whole_server(models="fast=moonshine:tiny-en", sessions_per_gpu="20") as running:
        yield running


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Raw samples of a recording of two utterances, in several forms."""
    folder = tmp_path_factory.mktemp("audio")
    beckett = samples("beckett.wav")
    spoken = beckett[SPOKEN].astype(np.float32) / 32768
    found = {name: folder / name for name in ("spoken", "cut", "silence", "mulaw", "wide")}
    found["spoken"].write_bytes(beckett[SPOKEN].tobytes())
    found["cut"].write_bytes(beckett[CUT].tobytes())
    found["silence"].write_bytes(bytes(32_000))
    narrow = soxr.resample(spoken, 16_000, 8_000)
    soundfile.write(found["mulaw"], narrow, 8_000, format="RAW", subtype="ULAW")
    wide = np.clip(soxr.resample(spoken, 16_000, 48_000), -1, 1) * 32767
    found["wide"].write_bytes(wide.astype("<i2").tobytes())
    for name, part in (("spoken@24", SPOKEN), ("cut@24", CUT)):
        found[name] = folder / name
        studio = np.clip(soxr.resample(beckett[part] / 32768, 16_000, 24_000), -1, 1) * 32767
        found[name].write_bytes(studio.astype("<i2").tobytes())
    return found


FORMS = {
    "mulaw": ("mulaw", 8_000),
    "wide": ("pcm", 48_000),
    "spoken@24": ("pcm", 24_000),
    "cut@24": ("pcm", 24_000),
}  # How drivers call an encoding, and Hz.


def sound_of(client: ConformantClient, sound: str) -> str:
    """The recording as a client can send it."""
    if client.rate == 16_000 or sound in ("mulaw", "silence"):
        return sound
    return {"spoken": "spoken@24", "wide": "spoken@24", "cut": "cut@24"}[sound]


def scenes(url: str, audio: Mapping[str, Path], client: ConformantClient) -> list[dict[str, Any]]:
    """What a client plays."""

    def scene(name: str, sound: str, **more: Any) -> dict[str, Any]:
        sound = sound_of(client, sound)
        encoding, rate = FORMS.get(sound, ("pcm", 16_000))
        where = {"url": url, "audio": str(audio[sound]), "encoding": encoding, "rate": rate}
        return {"name": name, **where, "pace": 2.0, **more}

    played = {
        "text": [scene("text", "spoken")],
        "silence": [scene("silence", "silence")],
        "cut": [scene("cut", "cut", flush=False)],
        "turns": [scene("manual", "spoken", manual=True)] if client.manual else [],
        "flags": [scene("flags", "spoken", flags=True)],
        "telephone": [scene("mulaw", "mulaw"), scene("wide", "wide")],
        "idle": [scene("idle", "spoken", idle=IDLE_S)],
    }
    return [each for name in client.assertions for each in played[name]]


@pytest.fixture(scope="module")
def play(
    server: LocalServer, audio: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Has each client play its scenes, once; what one heard, by scene."""
    url = server.url.replace("ws", "http", 1)

    def run(client: ConformantClient) -> Results:
        asked = tmp_path_factory.mktemp("scenes") / "scenes.json"
        asked.write_text(json.dumps(scenes(url, audio, client)))
        command = [interpreter_of(client.environment), "-m", f"tests.dialects.clients.{client.module}", asked]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            list(map(str, command)),
            cwd=ROOT,
            env={**clean, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PLAY_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found: Results = json.loads(done.stdout.splitlines()[-1])
        return found

    for name in dict.fromkeys(client.environment for client in CLIENTS):
        interpreter_of(name)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        playing = {client: pool.submit(run, client) for client in CLIENTS}
        yield lambda client: playing[client].result()


@pytest.fixture(scope="module")
def native(server: LocalServer, audio: Mapping[str, Path]) -> Any:
    """The finals that our own client hears."""

    async def hear(sound: str, silence_ms: int) -> list[str]:
        name, rate = FORMS.get(sound, ("pcm", 16_000))
        encoding = "mulaw" if name == "mulaw" else "pcm_s16le"
        asked: dict[str, Any] = {"encoding": encoding, "min_silence_ms": silence_ms, "language": "en"}
        async with transcribe_stream(server.url, sample_rate=rate, **asked) as session:
            await session.send(audio[sound].read_bytes())
            await session.end()
            return [event.text async for event in session if isinstance(event, Final) and event.text]

    @cache
    def run(sound: str, silence_ms: int = 500) -> list[str]:
        return asyncio.run(hear(sound, silence_ms))

    return run


def heard(results: Results, scene: str) -> Mapping[str, Any]:
    """What a client heard in a scene in which nothing went wrong."""
    assert results[scene]["error"] is None, results[scene]
    return results[scene]


def check_text(results: Results, native: Any, client: ConformantClient) -> None:
    """The text is the same, and each final comes once."""
    check_same(heard(results, "text")["finals"], native(sound_of(client, "spoken")), client)


def check_same(finals: list[str], expected: list[str], client: ConformantClient) -> None:
    """The same words. A framework resamples by itself and chooses the silence that ends a turn."""
    if client in HEAVY:
        assert word_error_rate(" ".join(expected), " ".join(finals)) <= 0.25
    else:
        assert " ".join(finals) == " ".join(expected)


def check_silence(results: Results, _native: Any, client: ConformantClient) -> None:
    """No text, and the flush is answered where the protocol has an answer that the driver sees."""
    found = heard(results, "silence")
    assert found["finals"] == []
    answers = client in LIGHT and client.module != "deepgram_flux"
    assert found["answers"] == int(answers)


def check_cut(results: Results, native: Any, client: ConformantClient) -> None:
    """The last word is there."""
    check_same(heard(results, "cut")["finals"], native(sound_of(client, "cut")), client)


def check_turns(results: Results, native: Any, client: ConformantClient) -> None:
    """As many finals as our own client hears, or a single one."""
    assert heard(results, "text")["finals"] == native(sound_of(client, "spoken"))
    assert heard(results, "manual")["finals"] == [" ".join(native(sound_of(client, "spoken"), 300))]


def check_flags(results: Results, native: Any, client: ConformantClient) -> None:
    """The session works."""
    check_same(heard(results, "flags")["finals"], native(sound_of(client, "spoken")), client)


def check_telephone(results: Results, native: Any, client: ConformantClient) -> None:
    """Other rates and encodings."""
    for sound in ("mulaw", "wide"):
        check_same(heard(results, sound)["finals"], native(sound_of(client, sound)), client)


def check_idle(results: Results, native: Any, client: ConformantClient) -> None:
    """A client that says nothing for a while is still there."""
    check_same(heard(results, "idle")["finals"], native(sound_of(client, "spoken")), client)


CHECKS = {
    "text": check_text,
    "silence": check_silence,
    "cut": check_cut,
    "turns": check_turns,
    "flags": check_flags,
    "telephone": check_telephone,
    "idle": check_idle,
}


@pytest.mark.timeout(1200)  # The first test of an environment installs it.
@pytest.mark.parametrize(("client", "assertion"), CASES, ids=[f"{c.name}: {name}" for c, name in CASES])
def test_a_client_connects_as_it_is(client: ConformantClient, assertion: str, play: Any, native: Any) -> None:
    CHECKS[assertion](play(client), native, client)


def test_what_is_ignored_is_counted_and_nothing_raises(server: LocalServer, play: Any) -> None:
    for client in LIGHT:
        play(client)
    counted = httpx.get(f"{server.url.replace('ws', 'http', 1)}/metrics").text
    series = "dalston_gateway_dialect_ignored_total{"
    lines = [line for line in counted.splitlines() if line.startswith(series)]
    for flag in ("diarize", "noise_reduction", "prompt", "min_speech_duration_ms", "tag"):
        assert any(f'flag="{flag}"' in line for line in lines), flag
    assert not [line for line in server.log if "Traceback" in line]


def test_the_table_of_the_documents_is_what_is_tested() -> None:
    text = (ROOT / "docs" / "clients" / "index.md").read_text()
    assert "\n".join(table()) in text
    assert set(CHECKS) == set(ASSERTIONS)
