"""Checks what a person and a script get to see of the command line, against a scripted server."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from dalston_realtime.client import rest
from tests.support.client_commands import MODEL, WORKER, recording, rt
from tests.support.fake_server import fake_server


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """0.35 s of noise at 8 kHz in stereo."""
    return recording(tmp_path / "talk.wav")


def test_a_pipe_gets_finals_as_lines_and_nothing_else(talk: Path) -> None:
    with fake_server() as server:
        result = rt(server, "transcribe", talk)

    assert result.exit_code == 0
    assert result.stdout == "   0:00.1  Hello world.\n   0:00.6  Good bye.\n"
    assert result.stderr.splitlines() == [
        str(talk),
        "0.3 s of audio, 0.3 s of speech, 2 utterances",
    ]
    assert len(server.audio) == pytest.approx(2 * 16_000 * 0.35, abs=40)
    assert server.frames[:3] == [3_200] * 3
    assert server.queries == [{"model": "fast", "sample_rate": "16000"}]


def test_json_is_one_event_a_line(talk: Path) -> None:
    with fake_server() as server:
        result = rt(server, "transcribe", "--json", "--fast", "--timing", talk)

    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5, 6, 7]
    assert {event["file"] for event in events} == {str(talk)}
    assert events[3]["timing"]["asr"] == 90.0
    assert "Latency, ms" in result.stderr  # the table is no event


def test_options_become_parameters(talk: Path) -> None:
    args = "--model accurate --language en --vocabulary Pozzo --vocabulary Lucky"
    more = "--min-silence-ms 500 --no-interim --word-timestamps --timing --fast"
    with fake_server() as server:
        rt(server, "transcribe", *args.split(), *more.split(), talk)

    assert server.queries == [
        {
            "model": "accurate",
            "sample_rate": "16000",
            "language": "en",
            "vocabulary": '["Pozzo", "Lucky"]',
            "min_silence_ms": "500",
            "interim_results": "false",
            "word_timestamps": "true",
            "timing": "true",
        }
    ]


def test_a_container_is_sent_as_it_is(tmp_path: Path) -> None:
    film = tmp_path / "film.webm"
    film.write_bytes(bytes(range(256)) * 100)
    with fake_server() as server:
        result = rt(server, "transcribe", "--encoding", "container", film)
        missing = rt(server, "transcribe", "--encoding", "container", tmp_path / "none.mp3")

    assert result.exit_code == 0
    assert server.queries == [{"model": "fast", "sample_rate": "16000", "encoding": "container"}]
    assert bytes(server.audio) == film.read_bytes()
    assert "none.mp3: no such file" in missing.stderr


def test_the_silence_may_follow_the_text(talk: Path) -> None:
    with fake_server() as server:
        rt(server, "transcribe", "--min-silence", "auto", "--fast", talk)
        unknown = rt(server, "transcribe", "--min-silence", "long", talk)

    assert [query["min_silence_ms"] for query in server.queries] == ["auto"]
    assert unknown.exit_code == 2
    assert "neither auto nor a whole number" in " ".join(unknown.stderr.replace("│", "").split())


def test_timing_ends_with_the_budget(talk: Path) -> None:
    with fake_server() as server:
        result = rt(server, "transcribe", "--timing", talk)
        fast = rt(server, "transcribe", "--timing", "--fast", talk)

    table = result.stdout[result.stdout.index("Latency") :]
    assert "Latency, ms (1 partial, 2 finals)" in table
    assert ["ASR", "inference", "~250", *["100"] * 4] in [line.split() for line in table.split("\n")]
    assert "~250" not in fast.stdout


def test_save_writes_every_format_beside_the_input(talk: Path) -> None:
    formats = [arg for form in ("txt", "json", "srt", "vtt") for arg in ("--save", form)]
    with fake_server() as server:
        result = rt(server, "transcribe", "--fast", *formats, talk)

    assert result.exit_code == 0
    assert talk.with_suffix(".txt").read_text() == "Hello world.\nGood bye.\n"
    assert json.loads(talk.with_suffix(".json").read_text())["complete"] is True
    assert "00:00:00,100 --> 00:00:00,500\nHello world." in talk.with_suffix(".srt").read_text()
    assert talk.with_suffix(".vtt").read_text().startswith("WEBVTT\n\n00:00:00.100 --> ")
    assert f"saved {talk.with_suffix('.srt')}" in result.stderr


def test_workers_as_a_table_and_as_json() -> None:
    with fake_server(answers={rest.WORKERS: (200, {"workers": [WORKER]})}) as server:
        table, programs = rt(server, "workers"), rt(server, "workers", "--json")

    assert "host-9000   ready       1 / 4   moonshine-tiny-en   0.0 s" in table.stdout
    assert json.loads(programs.stdout) == [WORKER]


def test_models_as_a_table_and_as_json() -> None:
    with fake_server(answers={rest.MODELS: (200, {"models": [MODEL]})}) as server:
        table, programs = rt(server, "models"), rt(server, "models", "--json")

    assert "moonshine-tiny-en   fast" in table.stdout
    assert json.loads(programs.stdout) == [MODEL]


@pytest.mark.parametrize("command", [[], ["transcribe"], ["mic"], ["workers"], ["models"]])
def test_help_tells_the_exit_codes(command: list[str]) -> None:
    result = rt(None, *command, "--help")

    assert result.exit_code == 0
    assert "130" in result.stdout
    assert "the transcript is incomplete" in result.stdout


def test_the_version_is_that_of_the_package() -> None:
    result = rt(None, "--version")

    assert result.exit_code == 0
    assert result.stdout == f"dalston-rt {version('dalston-realtime')}\n"


def test_the_help_names_the_extra_of_the_microphone() -> None:
    assert "pip install 'dalston-realtime[mic]'" in rt(None, "mic", "--help").stdout
