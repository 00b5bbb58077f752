"""Real recordings through the whole formation: the texts are right and every promise is kept."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection

from runtime.demo import recording
from runtime.local_server import LocalServer
from tests.support import promises
from tests.support.speech import BECKETT, TWO_CITIES, dense, samples, word_error_rate
from tests.support.system_sessions import DEADLINE_S, END, chunks, paced, talk, transcribe

BESIDE_TOTAL = ("total", "gateway", "routing", "endpoint_wait")


def test_the_opening_of_a_tale_of_two_cities(server: LocalServer) -> None:
    events, code = asyncio.run(transcribe(server, samples("two_cities.wav").tobytes()))
    promises.check(events)
    assert code == 1000
    assert word_error_rate(TWO_CITIES, events[-1]["transcript"]) <= 0.05
    assert events[-1]["audio_duration"] == pytest.approx(44.37, abs=0.01)


def test_a_wait_that_follows_the_text(server: LocalServer) -> None:
    """Pauses of 0.45 s behind a comma are no end, one behind a sentence is."""

    async def say(socket: ClientConnection) -> None:
        async for chunk in paced(samples("two_cities.wav")[: 13 * 16_000].tobytes()):
            await socket.send(chunk)
        await socket.send(END)

    events, code = asyncio.run(talk(server, say, min_silence_ms="auto", timing=True))
    promises.check(events)
    assert code == 1000
    assert events[0]["config"]["min_silence_ms"] == "auto"
    finals = promises.finals(events)
    assert 2 <= len(finals) <= 5
    assert word_error_rate(" ".join(TWO_CITIES.split()[:36]), events[-1]["transcript"]) <= 0.15
    assert all(final["timing"]["endpoint_wait"] >= 150 for final in finals[:-1])


def test_four_sessions_at_once_get_partials_while_they_speak(server: LocalServer) -> None:
    async def say(socket: ClientConnection) -> None:
        async for chunk in paced(samples("beckett.wav").tobytes()):
            await socket.send(chunk)
        await socket.send(END)

    async def four() -> list[list[dict[str, object]]]:
        sessions = await asyncio.gather(*(talk(server, say) for _ in range(4)))
        return [events for events, _ in sessions]

    for events in asyncio.run(four()):
        promises.check(events)
        assert word_error_rate(BECKETT, str(events[-1]["transcript"])) <= 0.17  # two words of twelve
        kinds = [e["type"] for e in events]
        assert kinds.index("transcript.partial") < kinds.index("vad.speech_end")


def test_a_monologue_without_a_pause_is_cut_and_put_together_again(server: LocalServer) -> None:
    events, _ = asyncio.run(transcribe(server, dense("two_cities.wav").tobytes() * 2, timing=True))
    promises.check(events)
    finals = promises.finals(events)
    assert all(f["end"] - f["start"] <= 12.5 for f in finals)
    assert len(finals) >= 4
    assert word_error_rate(f"{TWO_CITIES} {TWO_CITIES}", events[-1]["transcript"]) <= 0.10


@pytest.mark.parametrize(
    ("query", "bytes_per_sample"),
    [({"encoding": "pcm_f32le"}, 4), ({"sample_rate": 8000, "encoding": "mulaw"}, 1)],
)
def test_other_encodings(server: LocalServer, query: dict[str, Any], bytes_per_sample: int) -> None:
    import soundfile
    import soxr

    audio = samples("beckett.wav").astype(np.float32) / 32768
    if bytes_per_sample == 4:
        data = audio.astype("<f4").tobytes()
    else:
        import io

        file = io.BytesIO()
        narrow = soxr.resample(audio, 16_000, 8_000)
        soundfile.write(file, narrow, 8_000, format="RAW", subtype="ULAW")
        data = file.getvalue()
    events, code = asyncio.run(transcribe(server, data, **query))
    promises.check(events)
    assert code == 1000
    assert events[-1]["audio_duration"] == pytest.approx(9.97, abs=0.02)
    assert word_error_rate(BECKETT, events[-1]["transcript"]) <= 0.34


def test_separate_channels_are_transcribed_apart_and_as_each_would_be_alone(server: LocalServer) -> None:
    sounds = [samples("beckett.wav"), samples("two_cities.wav")[: 10 * 16_000]]
    both = np.stack([sound[: 9 * 16_000] for sound in sounds], axis=1)
    alone = [asyncio.run(transcribe(server, part.tobytes()))[0][-1] for part in both.T]

    async def say(socket: ClientConnection) -> None:
        for chunk in chunks(both.tobytes()):
            await socket.send(chunk)
        await socket.send(json.dumps({"type": "flush", "id": "f"}))
        await socket.send(END)

    events, code = asyncio.run(talk(server, say, channels=2, channel_mode="separate"))
    assert code == 1000
    assert sum(f.get("flush_id") == "f" for f in promises.finals(events)) == 1
    for channel, expected in enumerate(alone):
        mine = [e for e in events if e.get("channel") == channel]
        promises.check_utterances(mine)
        promises.check_stable(mine)
        texts = [f["text"] for f in promises.finals(mine) if f["text"]]
        assert " ".join(texts) == expected["transcript"]
    end = events[-1]
    assert end["segments"] == sorted(end["segments"], key=lambda segment: segment["start"])
    assert end["transcript"] == " ".join(segment["text"] for segment in end["segments"])
    assert {segment["channel"] for segment in end["segments"]} == {0, 1}
    assert end["audio_duration"] == 9.0


def test_flush_is_answered_by_one_final_and_the_session_goes_on(server: LocalServer) -> None:
    pcm = samples("beckett.wav").tobytes()

    async def say(socket: ClientConnection) -> None:
        await socket.send(json.dumps({"type": "flush", "id": "nothing yet"}))
        await socket.send(pcm[: 32_000 * 2])
        await socket.send(json.dumps({"type": "flush", "id": "in the middle"}))
        await socket.send(pcm[32_000 * 2 :])
        await socket.send(json.dumps({"type": "flush", "id": "behind"}))
        await socket.send(END)

    events, _ = asyncio.run(talk(server, say))
    promises.check(events)
    flushed = [f["flush_id"] for f in promises.finals(events) if "flush_id" in f]
    assert flushed == ["nothing yet", "in the middle", "behind"]
    assert promises.finals(events)[0]["text"] == ""


def test_timing_says_what_each_stage_cost(server: LocalServer) -> None:
    events, _ = asyncio.run(transcribe(server, samples("beckett.wav").tobytes(), timing=True))
    for result in promises.partials(events) + promises.finals(events):
        timing = result["timing"]
        steps = [
            ms for step, ms in timing.items() if step not in ("total", "gateway", "routing", "endpoint_wait")
        ]
        assert timing["total"] == pytest.approx(sum(steps), abs=0.01)
        assert timing["gateway"] >= 0
    assert all(f["timing"]["endpoint_wait"] >= 0 for f in promises.finals(events))


def test_without_vad_events_and_partials_only_finals_come(server: LocalServer) -> None:
    pcm = samples("beckett.wav").tobytes()
    events, _ = asyncio.run(transcribe(server, pcm, enable_vad="false", interim_results="false"))
    assert {e["type"] for e in events} == {"session.begin", "transcript.final", "session.end"}
    assert events[0]["config"]["enable_vad"] is True  # the model needs it, and the server says so


def test_the_command_saves_what_the_server_said(server: LocalServer, tmp_path: object) -> None:
    command = [
        sys.executable,
        "-m",
        "dalston_realtime.cli",
        "transcribe",
        str(recording("beckett.wav")),
        "--fast",
    ]
    options = ["--url", server.url, "--json", "--save", "srt", "--output-dir", str(tmp_path)]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["type"] == "session.end"
    from pathlib import Path

    subtitles = (Path(str(tmp_path)) / "beckett.srt").read_text()
    assert subtitles.count("-->") == len(promises.finals(events))
