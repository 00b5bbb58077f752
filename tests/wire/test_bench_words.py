"""Plays spoken cases to a scripted server: what it is asked for and sent, and what comes back."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from bench.load.chunks import TAIL_S
from bench.load.player import PlaybackTarget
from bench.load.spoken_playback import FLUSH, play_case
from bench.recordings.spoken_case import Ending, SaidPart, SpokenCase
from bench.report.result_file import read_result
from bench.request import BenchRequest
from bench.scenarios.words import WordsPlan, measure
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.protocol.events import Final
from tests.support.fake_server import fake_server, two_utterances

SOUND = np.full(3_200, 0.5, np.float32)  # 0.2 seconds.


def case(ending: Ending, rate: int = 16_000) -> SpokenCase:
    parts = (SaidPart("hello world", 0, len(SOUND)),)
    return SpokenCase("push-to-talk", "hello", SOUND, parts, ending, rate, enable_vad=False)


@pytest.mark.parametrize(
    ("ending", "messages", "tail_s"),
    [("end", ["end"], 0.0), ("flush", ["flush", "end"], TAIL_S), ("silence", ["end"], TAIL_S)],
)
def test_a_case_is_played_with_its_ending(ending: Ending, messages: list[str], tail_s: float) -> None:
    with fake_server(two_utterances) as server:
        events = asyncio.run(play_case(case(ending, 8_000), PlaybackTarget(server.url)))
    assert [message["type"] for message in server.messages] == messages
    assert all(message.get("id", FLUSH) == FLUSH for message in server.messages)
    assert len(server.audio) == 2 * round((0.2 + tail_s) * 8_000)
    assert server.queries[0].items() >= {"sample_rate": "8000", "enable_vad": "false"}.items()
    assert [event.text for event in events if isinstance(event, Final)]


def test_a_running_server_is_measured(tmp_path: Path) -> None:
    with fake_server(two_utterances) as server:
        request = BenchRequest(url=server.url, out=tmp_path / "found.json")
        assert measure(request, WordsPlan.of(["push-to-talk"], 1, 3, 3)) == ExitCode.OK
    found = read_result(request.out)
    assert len(found["results"]) == len(server.queries) <= 3
    assert all(each["finals"] for each in found["results"])
