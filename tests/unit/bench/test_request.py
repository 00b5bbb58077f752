"""Checks what the user may ask for."""

from pathlib import Path

import pytest

from bench.request import BenchRequest, parse_server_settings, parse_session_counts
from dalston_realtime.client.errors import UsageError


def test_numbers_of_sessions() -> None:
    assert parse_session_counts("1, 2,16") == [1, 2, 16]


@pytest.mark.parametrize("text", ["", "0", "1,", "two", "1001", "-1", "1.5"])
def test_anything_else_is_no_number_of_sessions(text: str) -> None:
    with pytest.raises(UsageError, match="--sessions"):
        parse_session_counts(text)


def test_settings_of_the_server() -> None:
    assert parse_server_settings(["asr_threads=1", "DALSTON_FANOUT=vad=2,asr=2"]) == {
        "asr_threads": "1",
        "fanout": "vad=2,asr=2",
    }
    with pytest.raises(UsageError, match="--set 'fast'"):
        parse_server_settings(["fast"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("asr_thread=1", "no such setting; did you mean asr_threads"),
        ("qqqq=1", "there is no such setting$"),
        ("gateway_port=80", "takes a free port"),
    ],
)
def test_a_setting_that_nothing_reads_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_server_settings([text])


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(UsageError, match="--set is for a server of the benchmark's own"):
        BenchRequest(url="ws://there", server_settings={"asr_threads": "1"})
    with pytest.raises(UsageError, match="--server-pid is for a server that runs"):
        BenchRequest(pid=1)


def test_what_was_asked_can_be_asked_again() -> None:
    settings = BenchRequest(seconds=5.0, audio=Path("x"), server_settings={"fanout": "asr=2"}).to_settings()
    assert (settings["seconds"], settings["audio"], settings["chosen"]) == (5.0, "x", {"fanout": "asr=2"})


def test_the_silence_that_ends_an_utterance_may_be_asked_for() -> None:
    request = BenchRequest(min_silence_ms="auto")
    assert (request.target("ws://x").min_silence_ms, request.to_settings()["min_silence_ms"]) == (
        "auto",
        "auto",
    )
    assert BenchRequest().target().min_silence_ms is None
