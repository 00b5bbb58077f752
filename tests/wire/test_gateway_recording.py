"""Recorded sessions over real gateways: killed, taken over, resumed, with lost workers and full disks."""

import asyncio
import json
import os
import random
import resource
import signal
import time
import wave
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from storage.recordings import NoRecording, RecordingNotReady, Recordings
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import Client, GatewayProcess, client, gateway_process, run, until
from tests.support.gateway_sessions import begun, finals, lose, lost, recorder
from tests.support.redis_fixture import RedisServer

KILLS = int(os.environ.get("RECORDING_KILLS", "3"))
CHUNK = 3_200  # Bytes of 100 ms.
PACE_S = 0.02  # Seconds between two chunks: five times as fast as speech.
SAID_S = 10  # Seconds of sound of each session; they take two.
WHILE_ALL_SPEAK_S = 1.2  # Seconds behind the last begin at which none of the sessions has ended yet.
ONE_KILL_S = 30  # Seconds in which clients come back and end after a kill; it takes three.
GOLDEN = Path(__file__).parents[1] / "unit/protocol/golden/warning.recording_incomplete.json"
SETTINGS = {"resume_window": "20", "gateway_timeout": "2"}


def sound(seed: int, seconds: int) -> bytes:
    return random.Random(seed).randbytes(seconds * 32_000)


def recorded(recordings: Recordings, session_id: str) -> bytes:
    with recordings.open_audio(session_id) as file, wave.open(file) as audio:
        return bytes(audio.readframes(audio.getnframes()))


async def joined(recordings: Recordings, session_id: str) -> bytes:
    """The recording, once it is there."""

    async def is_there() -> bool:
        try:
            recordings.open_audio(session_id).close()
            return "audio" in recordings.read_transcript(session_id)
        except (NoRecording, RecordingNotReady):
            return False

    await until(is_there)
    return recorded(recordings, session_id)


async def end(me: Client) -> list[dict[str, object]]:
    await me.send({"type": "end"})
    return await me.rest()


def test_a_session_is_kept_as_it_was_heard(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        said, recordings = sound(1, 4), Recordings(str(tmp_path))
        with gateway_process(shared_redis.url, resume_window="20", data_dir=str(tmp_path)) as gateway:
            async with (
                fake_worker(shared_redis.url, recorder) as worker,
                client(gateway, "store=true") as first,
            ):
                await begun(first)
                await first.send(said[:32_001])
                assert await finals(first, 1) == ["w1"]
                token = await lost(first)
                await asyncio.sleep(0.3)  # Away: no sample of that is in the recording.
                me, _ = await back(gateway, token)
                await me.send(said[32_000:64_000])
                lose(worker, None)
                await me.send(said[64_000:])
                await me.event("warning")
                await end(me)
                assert await joined(recordings, me.session_id) == said
                kept = recordings.read_transcript(me.session_id)
                assert kept["transcript"].startswith("w1 w2")
                assert kept["audio"]["missing"] == []
                kinds = [event["type"] for event in kept["events"]]
                assert kinds[0] == "session.begin"
                assert {"session.resumed", "warning", "session.end"} <= set(kinds)
                assert [path.name for path in (tmp_path / "sessions").iterdir()] == [me.session_id]

    run(main())


def test_a_session_that_did_not_ask_is_not_kept(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        with gateway_process(shared_redis.url, data_dir=str(tmp_path)) as gateway:
            async with fake_worker(shared_redis.url, recorder), client(gateway) as me:
                await begun(me)
                await me.send(bytes(32_000))
                await end(me)
        assert not (tmp_path / "sessions").exists()

    run(main())


async def back(gateway: GatewayProcess, token: str) -> tuple[Client, int]:
    """Come back, and read what was missed; how many bytes of audio the server has."""
    connection = await connect(gateway.url(f"resume={token}"), proxy=None, compression=None)
    me = Client(connection)
    me.begin_again(token)
    resumed = await me.event("session.resumed")
    return me, round(resumed["audio_received"] * 16_000) * 2


class ReturningClient:
    """A client that sends noise at its pace, comes back to whichever gateway lives, and ends."""

    def __init__(self, number: int, gateways: list[GatewayProcess]) -> None:
        self.said, self.gateways, self.session_id = sound(number, SAID_S), gateways, ""
        self.begun = asyncio.Event()
        self.ended = False  # It was told so; else the session was over when it came back.
        self._sent: list[tuple[float, int]] = []  # When it had sent how many bytes.

    async def speak(self) -> None:
        me: Client | None = await self._begin()
        at = 0
        while me is not None:
            try:
                await self._send_from(me, at)
                await me.send({"type": "end"})
                await me.event("session.end")
                self.ended = True
                return
            except (WebSocketException, OSError):
                me, at = await self._return(me)

    def sent_before(self, moment: float) -> bytes:
        """What it had sent by this time."""
        return self.said[: max((size for at, size in self._sent if at <= moment), default=0)]

    async def _send_from(self, me: Client, at: int) -> None:
        while at < len(self.said):
            await me.send(self.said[at : at + CHUNK])
            at += CHUNK
            self._sent.append((time.monotonic(), at))
            await asyncio.sleep(PACE_S)

    async def _begin(self) -> Client:
        """Begin a session, and try again where the server can't now, as a client should."""
        while True:
            try:
                connection = await connect(self.gateways[0].url("store=true"), proxy=None, compression=None)
                me = Client(connection)
                await begun(me)
                break
            except (WebSocketException, OSError):
                await asyncio.sleep(0.1)
        self.session_id = me.session_id
        self.begun.set()
        return me

    async def _return(self, me: Client) -> tuple[Client | None, int]:
        """Come back; no client where the session is over, or Redis had no time to hear of it."""
        while True:
            try:
                return await back(self.gateways[-1], me.resume_point)
            except InvalidStatus as error:
                if error.response.status_code == 404:
                    return None, 0
            except (WebSocketException, OSError, AssertionError):
                pass
            await asyncio.sleep(0.05)


async def kill_while_clients_speak(
    gateways: list[GatewayProcess], recordings: Recordings, number: int, moment: float
) -> set[str]:
    """Kill the first of two gateways, `moment` seconds after four clients have begun there; the sessions that
    ended as they should."""
    clients = [ReturningClient(10 * number + each, gateways) for each in range(4)]
    async with asyncio.timeout(ONE_KILL_S), asyncio.TaskGroup() as speaking:
        for each in clients:
            speaking.create_task(each.speak())
        await asyncio.gather(*(each.begun.wait() for each in clients))
        await asyncio.sleep(moment)
        killed_at = time.monotonic()
        gateways[0].process.send(signal.SIGKILL)
    for each in clients:
        found = await joined(recordings, each.session_id)
        assert found == each.said[: len(found)]
        assert found.startswith(each.said if each.ended else each.sent_before(killed_at - 1))
        assert recordings.read_transcript(each.session_id)["audio"]["missing"] == []
    return {each.session_id for each in clients if each.ended}


@pytest.mark.timeout(60 + 2 * ONE_KILL_S * KILLS)
def test_a_gateway_is_killed_at_any_moment_and_no_sample_is_lost_or_doubled(
    shared_redis: RedisServer, tmp_path: Path
) -> None:
    moments, recordings = random.Random(14), Recordings(str(tmp_path))
    settings = SETTINGS | {"data_dir": str(tmp_path)}

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder, capacity=64), AsyncExitStack() as stack:
            gateways, ended = list[GatewayProcess](), set[str]()
            for number in range(KILLS):
                while len(gateways) < 2:
                    gateways.append(stack.enter_context(gateway_process(shared_redis.url, **settings)))
                moment = moments.uniform(0.0, WHILE_ALL_SPEAK_S)
                ended |= await kill_while_clients_speak(gateways, recordings, number, moment)
                del gateways[0]
        assert ended.isdisjoint(recordings.unfinished())

    run(main(), 60 + 2 * ONE_KILL_S * KILLS)


@pytest.mark.parametrize("event", ["transcript.final", "session.end"])
def test_what_a_gateway_leaves_that_is_killed_is_joined_although_nobody_comes_back(
    shared_redis: RedisServer, tmp_path: Path, event: str
) -> None:
    settings = SETTINGS | {"data_dir": str(tmp_path), "resume_window": "0"}
    said, recordings = sound(5, 2), Recordings(str(tmp_path))

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(first, "store=true") as me:
            await begun(me)
            await me.send(said)
            await finals(me, 1)
            await asyncio.sleep(1.0)  # What came within the last second may be lost.
            await me.send({"type": "end"} if event == "session.end" else bytes(320))
            await me.event(event)
            first.process.send(signal.SIGKILL)
            assert (await joined(recordings, me.session_id)).startswith(said)

    with (
        gateway_process(shared_redis.url, **settings) as first,
        gateway_process(shared_redis.url, **settings),
    ):
        run(main(), 40)


def test_a_full_disk_costs_the_recording_alone(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        recordings = Recordings(str(tmp_path))
        with gateway_process(shared_redis.url, resume_window="20", data_dir=str(tmp_path)) as gateway:
            limit_files(gateway, 100_000)
            async with fake_worker(shared_redis.url, recorder), client(gateway, "store=true") as me:
                await begun(me)
                for _ in range(5):
                    await me.send(bytes(32_000))
                warning = await me.event("warning")
                golden = json.loads(GOLDEN.read_text())
                why = {
                    "seq": warning["seq"],
                    "message": golden["message"].replace(os.strerror(28), os.strerror(27)),
                }
                assert warning == golden | why
                limit_files(gateway, -1)
                await me.send(bytes(32_000))
                assert (await end(me))[-1]["type"] == "session.end"
                assert len(await joined(recordings, me.session_id)) == 6 * 32_000
                kept = recordings.read_transcript(me.session_id)
                assert kept["audio"]["missing"]
                assert "recording_incomplete" in json.dumps(kept["events"])
                # The limit held up the database as well, which is written to again after a second.
                await until(lambda: errors_of(gateway, me.session_id, ["recording_incomplete"]))

    run(main())


async def errors_of(gateway: GatewayProcess, session_id: str, codes: list[str]) -> bool:
    """Whether the record of a session has these errors."""
    record = await asyncio.to_thread(gateway.get, f"/v1/realtime/sessions/{session_id}")
    return [error["code"] for error in record.json().get("errors", ())] == codes


def limit_files(gateway: GatewayProcess, size: int) -> None:
    """No file of the gateway may grow beyond this size, as on a disk that is full; -1: any may."""
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (size, -1))
