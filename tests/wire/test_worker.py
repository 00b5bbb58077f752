"""A whole worker: real processes, real sockets, real models, and sessions as a gateway opens them."""

import asyncio
import io
import json
import re
import socket
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from runtime.worker_link import VERSION, OpenReply, SessionRefused, decode_reply
from tests.support.gateway_process import run
from tests.support.moonshine_models import HAS_BASE
from tests.support.recordings import BECKETT, as_pcm, recording
from tests.support.redis_fixture import RedisServer, redis_server
from tests.support.words import compare
from tests.support.worker_process import WorkerProcess, send_audio, worker_process
from tests.support.worker_sessions import Events, events_to_close, next_event, request, worker_session

FANOUT = "vad=2,asr=2,assembler=2,sender=2"
STOP = 39 * 3_200  # bytes: 3.9 s, in the middle of a word


@pytest.fixture(scope="module")
def registry() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def worker(registry: RedisServer) -> Iterator[WorkerProcess]:
    with worker_process(registry.url, FANOUT) as started:
        yield started


@pytest.fixture(scope="module")
def beckett() -> bytes:
    return as_pcm(recording("beckett.wav"))


async def transcribe(
    worker: WorkerProcess, pcm: bytes, *controls: dict[str, Any], session_id: str | None = None, **config: Any
) -> Events:
    """A session that sends audio as fast as it is taken, then its controls, then its end."""
    async with worker_session(worker, session_id, **config) as session:
        reader = asyncio.create_task(events_to_close(session))
        await send_audio(session, pcm)
        for control in (*controls, {"type": "end"}):
            await session.send(json.dumps(control))
        events = await reader
        assert session.close_code == 1000, events
        return events


def as_mulaw(audio: npt.NDArray[np.float32]) -> bytes:
    """Audio at 8 kHz as a telephone sends it."""
    file = io.BytesIO()
    soundfile.write(file, audio, 8_000, format="RAW", subtype="ULAW")
    return file.getvalue()


def words(text: str) -> list[str]:
    """A text without case and punctuation."""
    return re.sub(r"[^\w' ]", "", text.lower()).split()


def finals(events: Events) -> Events:
    return [e for e in events if e["type"] == "transcript.final"]


def check(events: Events) -> None:
    """The protocol's promises about one session."""
    assert events[0]["type"] == "session.begin"
    assert events[-1]["type"] == "session.end"
    assert [f["utterance"] for f in finals(events)] == list(range(1, len(finals(events)) + 1))
    assert events[-1]["transcript"] == " ".join(f["text"] for f in finals(events) if f["text"])
    open_number = 1
    for event in events:
        if event["type"] == "transcript.partial":
            assert event["utterance"] == open_number
        open_number += event["type"] == "transcript.final"


def test_many_sessions_at_once_are_heard_right(worker: WorkerProcess, beckett: bytes) -> None:
    async def sessions() -> list[Events]:
        return await asyncio.gather(*[transcribe(worker, beckett, session_id=f"s{k}") for k in range(6)])

    for number, events in enumerate(run(sessions())):
        check(events)
        assert events[0]["session_id"] == f"s{number}"
        assert words(events[-1]["transcript"]) == words(BECKETT)
        assert events[-1]["audio_duration"] == pytest.approx(9.963, abs=0.001)
        assert 3 < events[-1]["speech_duration"] < 9


def test_silence_gives_no_text_and_a_flush_its_answer(worker: WorkerProcess) -> None:
    events = run(transcribe(worker, bytes(5 * 32_000), {"type": "flush", "id": "x"}))
    assert [e["type"] for e in events] == ["session.begin", "transcript.final", "session.end"]
    assert (events[1]["text"], events[1]["flush_id"]) == ("", "x")
    assert events[2]["transcript"] == ""


def test_a_flush_in_speech_is_answered_once(worker: WorkerProcess, beckett: bytes) -> None:
    half = beckett[: 4 * 32_000]
    events = run(transcribe(worker, half, {"type": "flush", "id": "x"}, {"type": "flush", "id": "y"}))
    check(events)
    assert [f["flush_id"] for f in finals(events) if "flush_id" in f] == ["x", "y"]
    assert finals(events)[-1]["text"] == ""


@pytest.mark.parametrize("encoding", ["pcm_s16le", "mulaw"])
def test_nothing_of_a_call_comes_back_behind_a_flush(worker: WorkerProcess, encoding: str) -> None:
    call = soxr.resample(recording("beckett.wav"), 16_000, 8_000)
    size = 2 if encoding == "pcm_s16le" else 1
    data = as_pcm(call) if size == 2 else as_mulaw(call)
    stop = round(3.9 * 8_000) * size

    async def talk() -> Events:
        async with worker_session(worker, sample_rate=8_000, encoding=encoding) as session:
            await send_audio(session, data[:stop])
            await session.send(json.dumps({"type": "flush", "id": "x"}))
            events: Events = []
            while not [f for f in finals(events) if "flush_id" in f]:
                events.append(await next_event(session))
            await send_audio(session, (b"\xff" * 8_000 if size == 1 else bytes(16_000)) + data[stop:])
            await session.send(json.dumps({"type": "end"}))
            return [*events, *await events_to_close(session)]

    events = run(talk())
    check(events)
    number = next(k for k, f in enumerate(finals(events)) if "flush_id" in f)
    flushed, following = finals(events)[number : number + 2]
    assert flushed["end"] == pytest.approx(3.9, abs=0.001)  # all that came
    assert flushed["text"]
    assert following["start"] > 4.5  # the second of silence is between them, and nothing of what came before
    assert events[-1]["audio_duration"] == pytest.approx(len(call) / 8_000 + 1, abs=0.001)


def test_audio_that_stops_coming_in_mid_sentence_is_a_final_and_what_comes_later_another(
    worker: WorkerProcess, beckett: bytes
) -> None:
    async def stop() -> tuple[Events, str]:
        async with worker_session(worker, "stops") as session:
            await send_audio(session, beckett[:STOP])
            events: Events = []
            while not finals(events) or finals(events)[-1]["end"] < 3.89:
                events.append(await next_event(session))
            metrics = (await asyncio.to_thread(worker.get, "/metrics")).text
            await send_audio(session, beckett[STOP:])
            await session.send(json.dumps({"type": "end"}))
            return [*events, *await events_to_close(session)], metrics

    events, metrics = run(stop())
    check(events)
    stopped = finals(events)[2]
    assert "flush_id" not in stopped
    assert stopped["end"] == pytest.approx(3.9, abs=0.001)  # all that came
    assert stopped["text"]
    kinds = [e["type"] for e in events]
    assert kinds.index("vad.speech_end") < kinds.index("transcript.final")
    assert events[-1]["audio_duration"] == pytest.approx(9.963, abs=0.001)
    found = compare(BECKETT, events[-1]["transcript"])
    assert (found.lost, found.doubled <= 1) == (0, True), found.passages  # half a word
    assert re.search(r'^dalston_session_lag_seconds{quantile="1"} 0\.\d+$', metrics, re.MULTILINE)
    assert "stops" not in metrics
    assert "dalston_session_lag_seconds{" not in worker.get("/metrics").text


def test_slow_chunks_with_jitter_are_one_utterance(worker: WorkerProcess, beckett: bytes) -> None:
    """250 ms at a time at the pace of speech, each up to 350 ms late."""
    sentence, random = beckett[: 3 * 32_000], Random(1)

    async def speak() -> Events:
        async with worker_session(worker) as session:
            clock, begun = asyncio.get_running_loop().time, asyncio.get_running_loop().time()
            for number in range(12):
                await asyncio.sleep(begun + number * 0.25 + random.uniform(0, 0.35) - clock())
                await session.send(sentence[number * 8_000 : (number + 1) * 8_000])
            await session.send(json.dumps({"type": "end"}))
            return await events_to_close(session)

    events = run(speak())
    check(events)
    assert [f["end"] for f in finals(events)] == [f["end"] for f in finals(run(transcribe(worker, sentence)))]


def test_other_encodings_are_heard_too(worker: WorkerProcess) -> None:
    wide = soxr.resample(recording("beckett.wav"), 16_000, 44_100)
    stereo = np.stack([wide, wide], axis=1).astype("<f4").tobytes()
    config: dict[str, Any] = {"encoding": "pcm_f32le", "sample_rate": 44_100, "channels": 2}
    events = run(transcribe(worker, stereo, interim_results=False, timing=True, **config))
    check(events)
    misheard = [a for a, b in zip(words(events[-1]["transcript"]), words(BECKETT), strict=True) if a != b]
    assert len(misheard) <= 1  # resampled twice, it is not the same sound
    assert not [e for e in events if e["type"] == "transcript.partial"]
    times = finals(events)[0]["timing"]
    assert times["total"] == pytest.approx(
        sum(ms for step, ms in times.items() if step not in ("total", "endpoint_wait")), abs=0.1
    )


def test_a_session_that_leaves_in_the_middle_disturbs_nobody(worker: WorkerProcess, beckett: bytes) -> None:
    async def leave() -> None:
        async with worker_session(worker) as session:
            await send_audio(session, beckett[: 3 * 32_000])

    async def sessions() -> Events:
        events, *_ = await asyncio.gather(transcribe(worker, beckett), leave(), leave(), leave())
        return events

    assert words(run(sessions())[-1]["transcript"]) == words(BECKETT)


def test_messages_that_are_none_leave_the_session_going(worker: WorkerProcess, beckett: bytes) -> None:
    deep = {"type": "config", "language": json.loads("[" * 900 + "]" * 900)}
    events = run(transcribe(worker, beckett, {"type": "stop"}, deep))
    assert [e["code"] for e in events if e["type"] == "error"] == ["invalid_message"] * 2
    assert words(events[-1]["transcript"]) == words(BECKETT)


def test_a_file_that_is_sent_as_samples_is_told_once_and_the_session_goes_on(
    worker: WorkerProcess, beckett: bytes
) -> None:
    header = b"RIFF" + (len(beckett) + 36).to_bytes(4, "little") + b"WAVEfmt \x10" + bytes(27)
    events = run(transcribe(worker, header + beckett))
    check(events)
    assert [e["code"] for e in events if e["type"] == "warning"] == ["looks_like_container"]
    assert words(events[-1]["transcript"])[:8] == words(BECKETT)[:8]


def test_a_model_that_is_not_here_is_refused(worker: WorkerProcess) -> None:
    async def ask() -> tuple[Events, int | None]:
        async with worker_session(worker, model="no-such-model") as session:
            return await events_to_close(session), session.close_code

    events, code = run(ask())
    assert [(e["type"], e["code"]) for e in events] == [("error", "no_capacity")]
    assert code == 4503


async def answer(worker: WorkerProcess, *frames: str | bytes) -> tuple[OpenReply, int | None]:
    """What a worker says to the first frames of a gateway, and the code with which it closes then."""
    async with worker.connect() as connection:
        for frame in frames:
            await connection.send(frame)
        reply = decode_reply(await connection.recv())
        await connection.wait_closed()
        return reply, connection.close_code


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (request(sample_rate=7), "sample_rate must be a whole number from 8000 to 192000"),
        (request().replace('"pcm_s16le"', '"opus"'), "opus"),
        (request().replace("auto", "\\ud800"), "not a request for a session"),
        (request(session_id=""), "session_id"),
        ('{"type":"flush"}', "not a request for a session"),
        ("hello", "not a request for a session"),
        (b"\x00" * 6_400, "not a request for a session"),
    ],
    ids=["sample_rate", "encoding", "surrogate", "session_id", "flush", "text", "audio"],
)
def test_what_is_no_request_for_a_session_is_refused(
    worker: WorkerProcess, frame: str | bytes, why: str
) -> None:
    reply, code = run(answer(worker, frame))
    assert isinstance(reply, SessionRefused)
    assert why in reply.message
    assert (reply.version, code) == (VERSION, 4400)


def test_a_gateway_of_another_version_is_told_the_workers(worker: WorkerProcess) -> None:
    newer = json.dumps(json.loads(request()) | {"version": VERSION + 1, "colour": "red"})
    reply, code = run(answer(worker, newer))
    assert isinstance(reply, SessionRefused)
    assert f"version {VERSION + 1}" in reply.message
    assert (reply.version, code) == (VERSION, 4400)


def test_one_connection_for_a_session_is_enough(worker: WorkerProcess) -> None:
    async def twice() -> tuple[OpenReply, int | None]:
        async with worker_session(worker, "twice"):
            return await answer(worker, request("twice"))

    reply, code = run(twice())
    assert reply == SessionRefused(version=VERSION, message="session twice is open already")
    assert code == 4400


def test_the_worker_is_registered_with_its_models(worker: WorkerProcess, registry: RedisServer) -> None:
    with registry.client() as client:
        fields: Any = client.hgetall(f"dalston:realtime:worker:{worker.worker_id}")
    assert fields["status"] == "ready"
    assert fields["capacity"] == "8"
    accurate = "moonshine-base-en" if HAS_BASE else "whisper-tiny.en"
    assert json.loads(fields["models_loaded"]) == ["moonshine-tiny-en", accurate]
    assert fields["endpoint"] == f"ws://127.0.0.1:{worker.port}"


def test_all_processes_metrics_are_in_one_scrape(worker: WorkerProcess, beckett: bytes) -> None:
    run(transcribe(worker, beckett))
    text = worker.get("/metrics").text
    for stage in ("vad", "asr", "assembler", "sender"):
        assert f'dalston_stage_queue_messages_count{{stage="{stage}"}}' in text
    assert re.search(r'dalston_asr_batch_size_count\{kind="final",reason="drained"\} [1-9]', text)
    assert re.search(r"^dalston_final_seconds_count [1-9]", text, re.MULTILINE)
    assert re.search(r"^dalston_worker_sessions 0", text, re.MULTILINE)


def test_other_paths_are_unknown(worker: WorkerProcess) -> None:
    assert worker.get("/").status_code == 404
    with socket.create_connection(("127.0.0.1", worker.port), 5) as anybody:
        anybody.sendall(b"GET //[ HTTP/1.1\r\n\r\n")
        assert anybody.recv(100).startswith(b"HTTP/1.1 404")


def test_a_signal_ends_sessions_and_drains_all_processes(registry: RedisServer, beckett: bytes) -> None:
    with worker_process(registry.url, "sender=2") as worker:

        async def speak_until_the_end() -> tuple[Events, int | None]:
            async with worker.connect() as silent, worker_session(worker) as session:
                await send_audio(session, beckett)
                begin = await next_event(session)
                worker.terminate()
                assert isinstance(decode_reply(await silent.recv()), SessionRefused)
                return [begin, *await events_to_close(session)], session.close_code

        events, code = run(speak_until_the_end())
        assert worker.exits() == dict.fromkeys(worker.names, 0), worker.logs()
        assert "ERROR" not in worker.logs()
    assert (events[-1]["type"], events[-1]["code"], code) == ("error", "restarting", 1012)
    with registry.client() as client:
        assert client.exists(f"dalston:realtime:worker:{worker.worker_id}") == 0


def test_a_killed_stage_is_named_and_may_come_back(registry: RedisServer) -> None:
    with worker_process(registry.url, "assembler=2") as worker:
        worker.kill("assembler.2")
        worker.wait_for_health(503, ["assembler.2"])
        worker.start_one("assembler.2")
        worker.wait_for_health(200, [])
