"""Plays recordings through the real libraries of other services: they hear what our own client hears.

Each client runs once, in its own environment and process, with all of its scenes at the same time. The light
clients are tested always; `make conformance` adds files, Node, LiveKit and Pipecat, and prints the table.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import soundfile
import soxr

from dalston_realtime import Final, transcribe_stream
from runtime.local_server import ROOT, LocalServer, formation, free_ports
from storage.api_keys.api_key import DEFAULT_SCOPES, PREFIX
from storage.api_keys.key_store import KeyStore
from storage.database import Database
from tests.support.certificates import TlsFiles, make_certificate, tls_beside
from tests.support.client_environments import interpreter_of, node_folder, why_no_node
from tests.support.conformance import ASSERTIONS, HEAVY, LIGHT, NODE, ConformantClient, Port, table
from tests.support.servers import data_folder
from tests.support.speech import samples, word_error_rate

CLIENTS = (*LIGHT, *(HEAVY if os.environ.get("CONFORMANCE") == "all" else ()))
CASES = [(client, name) for client in CLIENTS for name in client.assertions]
AT_ONCE = 3  # Clients that play: most of their time they wait.
PLAY_S = 180.0  # Seconds for all scenes of a client, on a busy machine.
IDLE_S = 12.0
SPOKEN = slice(0, 54_400)  # Two utterances, with 0.5 s of silence behind.
CUT = slice(0, 84_000)  # It ends in the middle of a word.

Results = Mapping[str, Mapping[str, Any]]


class ServerForClients(NamedTuple):
    """A server that asks for a key, and where each kind of client finds it."""

    running: LocalServer
    key: str
    addresses: Mapping[Port, str]
    tls: TlsFiles

    @property
    def http(self) -> str:
        """Its address for HTTP."""
        return self.addresses["gateway"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerForClients]:
    """One whole server for all clients."""
    data = data_folder(tmp_path_factory.mktemp("server"))
    key, (wyoming, riva) = make_key(data), free_ports(2)
    ports = {"wyoming_port": str(wyoming), "riva_port": str(riva), "open_metrics": "on"}
    models = {"models": "fast=moonshine:tiny-en", "sessions_per_gpu": "40"}
    tls = make_certificate(tmp_path_factory.mktemp("tls"))
    with (
        formation("", ROOT, data_dir=data, **ports, **models) as running,
        tls_beside(tls, running.port) as safe,
    ):
        addresses: dict[Port, str] = {
            "gateway": running.url.replace("ws", "http", 1),
            "tls": f"https://localhost:{safe}",
            "wyoming": f"tcp://127.0.0.1:{wyoming}",
            "riva": f"127.0.0.1:{riva}",
        }
        yield ServerForClients(running, key, addresses, tls)


def make_key(data: str) -> str:
    """A key in the database of a server that is not started yet."""
    database = Database(f"sqlite:///{data}/history.db")
    database.migrate()
    _, secret = KeyStore(database).create("clients", DEFAULT_SCOPES)
    database.close()
    return secret


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


def scenes(
    server: ServerForClients, audio: Mapping[str, Path], client: ConformantClient
) -> list[dict[str, Any]]:
    """What a client plays."""
    where = {"url": server.addresses[client.port], "key": server.key}

    def scene(name: str, sound: str, **more: Any) -> dict[str, Any]:
        sound = sound_of(client, sound)
        encoding, rate = FORMS.get(sound, ("pcm", 16_000))
        form = {"audio": str(audio[sound]), "encoding": encoding, "rate": rate}
        return {"name": name, **where, **form, "pace": 2.0, **more}

    played = {
        "text": [scene("text", "spoken")],
        "silence": [scene("silence", "silence")],
        "cut": [scene("cut", "cut", flush=False)],
        "turns": [scene("manual", "spoken", manual=True)] if client.manual else [],
        "flags": [scene("flags", "spoken", flags=True)],
        "telephone": [scene("mulaw", "mulaw"), scene("wide", "wide")],
        "idle": [scene("idle", "spoken", idle=IDLE_S)],
        "key": [scene("key", "silence", key=f"{PREFIX}unknown")],
    }
    return [each for name in client.assertions for each in played[name]]


def command_of(client: ConformantClient, asked: Path) -> tuple[list[str], Path, dict[str, str]]:
    """How a client is run, in which folder, and with which settings."""
    drivers = Path("tests") / "dialects" / "clients"
    if client.is_node:
        return ["node", str(ROOT / drivers / f"{client.module}.mjs"), str(asked)], node_folder(), {}
    module = ".".join((*drivers.parts, client.module))
    return (
        [str(interpreter_of(client.environment)), "-m", module, str(asked)],
        ROOT,
        {"PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(scope="module")
def play(
    server: ServerForClients, audio: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """Has each client play its scenes, once; what one heard, by scene."""
    trusts = {name: str(server.tls.ca) for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")}

    def run(client: ConformantClient) -> Results:
        asked = tmp_path_factory.mktemp("scenes") / "scenes.json"
        asked.write_text(json.dumps(scenes(server, audio, client)))
        command, folder, settings = command_of(client, asked)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            command,
            cwd=folder,
            env={**clean, **settings, **(trusts if client.port == "tls" else {})},
            capture_output=True,
            text=True,
            timeout=PLAY_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found: Results = json.loads(done.stdout.splitlines()[-1])
        return found

    tested = [client for client in CLIENTS if not (client.is_node and why_no_node())]
    for name in dict.fromkeys(client.environment for client in tested):
        node_folder() if name == NODE else interpreter_of(name)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        playing = {client: pool.submit(run, client) for client in tested}
        yield lambda client: playing[client].result()


@pytest.fixture(scope="module")
def native(server: ServerForClients, audio: Mapping[str, Path]) -> Any:
    """The finals that our own client hears."""

    async def hear(sound: str, silence_ms: int) -> list[str]:
        name, rate = FORMS.get(sound, ("pcm", 16_000))
        encoding = "mulaw" if name == "mulaw" else "pcm_s16le"
        asked: dict[str, Any] = {"encoding": encoding, "min_silence_ms": silence_ms, "language": "en"}
        url, headers = server.running.url, {"Authorization": f"Bearer {server.key}"}
        async with transcribe_stream(url, headers=headers, sample_rate=rate, **asked) as session:
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
    """The same words, or nearly where the audio is heard in another way."""
    if client.exact:
        assert " ".join(finals) == " ".join(expected)
    else:
        assert word_error_rate(" ".join(expected), " ".join(finals)) <= 0.25


def check_silence(results: Results, _native: Any, client: ConformantClient) -> None:
    """No text, and the flush is answered where the protocol has an answer that the driver sees."""
    found = heard(results, "silence")
    assert found["finals"] == []
    assert found["answers"] == int(client.answers)


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


def check_key(results: Results, _native: Any, client: ConformantClient) -> None:
    """The client says why it has no session."""
    assert client.refusal in (results["key"]["error"] or "nothing"), results["key"]


CHECKS = {
    "text": check_text,
    "silence": check_silence,
    "cut": check_cut,
    "turns": check_turns,
    "flags": check_flags,
    "telephone": check_telephone,
    "idle": check_idle,
    "key": check_key,
}


@pytest.mark.timeout(1200)  # The first test of an environment installs it.
@pytest.mark.parametrize(("client", "assertion"), CASES, ids=[f"{c.name}: {name}" for c, name in CASES])
def test_a_client_connects_as_it_is(client: ConformantClient, assertion: str, play: Any, native: Any) -> None:
    if client.is_node and (reason := why_no_node()):
        pytest.skip(reason)
    CHECKS[assertion](play(client), native, client)


def test_wyoming_bench_finds_no_fault(
    server: ServerForClients, audio: Mapping[str, Path], native: Any, tmp_path: Path
) -> None:
    samples_of = np.frombuffer(audio["spoken"].read_bytes(), "<i2")
    soundfile.write(tmp_path / "talk.wav", samples_of, 16_000)
    (tmp_path / "talk.txt").write_text(" ".join(native("spoken")))
    address = server.addresses["wyoming"].removeprefix("tcp://")
    told = ["--corpus", str(tmp_path), "--rounds", "1", "--warmup", "0", "--config", '{"language": "en"}']
    judge = [str(interpreter_of("light")), "-m", "wyoming_bench.cli", "stt", address, *told]
    done = subprocess.run(judge, capture_output=True, text=True, timeout=PLAY_S, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    print(done.stdout)


def counts(server: ServerForClients, name: str) -> list[str]:
    """What the gateway has counted under a name."""
    lines = httpx.get(f"{server.http}/metrics").text.splitlines()
    return [line for line in lines if line.startswith(name)]


def test_who_has_a_wrong_key_does_not_come_back(server: ServerForClients, play: Any) -> None:
    refused = [client for client in LIGHT if client.refusal == "401"]
    for client in refused:
        play(client)
    (line,) = counts(server, 'dalston_gateway_refused_total{status="401"}')
    assert float(line.split()[1]) <= 2 * len(CLIENTS)


def test_what_is_ignored_is_counted_and_nothing_raises(server: ServerForClients, play: Any) -> None:
    for client in LIGHT:
        play(client)
    lines = counts(server, "dalston_gateway_dialect_ignored_total{")
    for flag in ("diarize", "noise_reduction", "prompt", "min_speech_duration_ms", "tag"):
        assert any(f'flag="{flag}"' in line for line in lines), flag
    assert not [line for line in server.running.log if "Traceback" in line]


def test_the_table_of_the_documents_is_what_is_tested() -> None:
    text = (ROOT / "docs" / "clients" / "index.md").read_text()
    assert "\n".join(table()) in text
    assert set(CHECKS) == set(ASSERTIONS)
