"""Checks that what goes wrong on the command line is one line that says it, and an exit code."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dalston_realtime.client.url import STREAM_PATH
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import Final
from tests.support.client_commands import recording, rt
from tests.support.fake_server import Call, fake_server


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """0.35 s of noise at 8 kHz in stereo."""
    return recording(tmp_path / "talk.wav")


async def no_capacity(call: Call) -> None:
    await call.fail(CloseCode.NO_CAPACITY, "all 4 slots are taken", retry_after=2)


async def breaks_off(call: Call) -> None:
    await call.begin()
    await call.receive()
    await call.say(Final(utterance=1, text="So far.", start=0.0, end=0.1))
    call.socket.transport.abort()


async def malformed(call: Call) -> None:
    await call.begin()
    await call.socket.send("\x1b[2J{")
    await call.socket.wait_closed()


def test_a_file_that_fails_does_not_hide_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "notes.wav"
    bad.write_text("no audio")
    files = [tmp_path / "gone.wav", recording(tmp_path / "one.flac"), bad]
    out = tmp_path / "out"
    with fake_server() as server:
        result = rt(
            server,
            "transcribe",
            "--fast",
            "--save",
            "txt",
            "--output-dir",
            out,
            *files,
            recording(tmp_path / "two.ogg"),
        )

    assert result.exit_code == 2
    assert f"dalston-rt: {files[0]}: no such file\n" in result.stderr
    assert f"dalston-rt: {bad}: not audio that can be read" in result.stderr
    assert {path.name for path in out.iterdir()} == {"one.txt", "two.txt"}


def test_two_files_that_would_be_saved_as_one_are_refused_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    files = [recording(tmp_path / "a.wav"), recording(tmp_path / "a.flac")]
    with fake_server() as server:
        result = rt(server, "transcribe", "--save", "txt", *files)

    assert result.exit_code == 2
    assert "a.txt" in result.stderr
    assert server.queries == []


def test_no_server(talk: Path) -> None:
    result = rt(None, "transcribe", talk)

    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1] == (
        f"dalston-rt: {talk}: no server answers at ws://127.0.0.1:1 (connection refused);"
        " start one with `make run`, or give its address with --url or DALSTON_URL"
    )


def test_a_bad_url(talk: Path) -> None:
    result = rt(None, "transcribe", "--url", "ftp://localhost:8000", talk)

    assert result.exit_code == 2
    assert "ws://127.0.0.1:8000" in result.stderr


def test_a_bad_option_is_named() -> None:
    result = rt(None, "transcribe", "--save", "docx", "a.wav")

    assert result.exit_code == 2
    assert "docx" in result.stderr


def test_no_capacity(talk: Path) -> None:
    with fake_server(no_capacity) as server:
        result = rt(server, "transcribe", talk)

    assert result.exit_code == 4
    assert result.stderr.splitlines()[-1] == (
        f"dalston-rt: {talk}: no free slot: all 4 slots are taken; try again in 2 s, or add a worker"
    )


def test_a_refused_parameter(talk: Path) -> None:
    message = "min_silence_ms must be auto or a whole number from 100 to 3000, not '7'"
    body = {"error": {"code": "invalid_parameter", "param": "min_silence_ms", "message": message}}
    with fake_server(answers={STREAM_PATH: (400, body)}) as server:
        result = rt(server, "transcribe", "--min-silence-ms", 7, talk)

    assert result.exit_code == 2
    assert message in result.stderr


def test_a_session_that_breaks_off_keeps_what_was_said(talk: Path) -> None:
    with fake_server(breaks_off) as server:
        result = rt(server, "transcribe", "--save", "json", talk)

    assert result.exit_code == 5
    assert result.stdout == "   0:00.0  So far.\n"
    assert "connection_lost" in result.stderr
    assert "1 utterance, incomplete" in result.stderr
    saved = json.loads(talk.with_suffix(".json").read_text())
    assert (saved["transcript"], saved["complete"]) == ("So far.", False)


def test_a_server_of_another_protocol(talk: Path) -> None:
    with fake_server(malformed) as server:
        result = rt(server, "transcribe", talk)

    assert result.exit_code == 5
    assert "not JSON" in result.stderr.splitlines()[-1]
    assert "\x1b" not in result.stderr


def test_a_transcript_that_can_not_be_saved_is_still_shown(talk: Path) -> None:
    async def script(call: Call) -> None:
        talk.with_suffix(".txt").mkdir()  # there was none when the command started
        await call.begin()
        await call.receive_until("end")
        await call.say(Final(utterance=1, text="Good bye.", start=0.0, end=0.1))
        await call.end("Good bye.")

    with fake_server(script) as server:
        result = rt(server, "transcribe", "--fast", "--save", "txt", talk)

    assert result.exit_code == 2
    assert "Good bye." in result.stdout
    assert "talk.txt: can't be written" in result.stderr


def test_a_transcript_that_could_not_be_saved_is_refused_before_anything_is_sent(talk: Path) -> None:
    talk.with_suffix(".txt").mkdir()
    with fake_server() as server:
        result = rt(server, "transcribe", "--save", "txt", talk)

    assert result.exit_code == 2
    assert "talk.txt: can't be written" in result.stderr
    assert server.queries == []


@pytest.mark.parametrize("command", ["workers", "models"])
def test_no_server_to_ask(command: str) -> None:
    result = rt(None, command)

    assert result.exit_code == 3
    assert result.stderr.startswith("dalston-rt: no server answers at ws://127.0.0.1:1")


def test_the_microphone_is_not_opened_for_a_transcript_that_could_not_be_saved(tmp_path: Path) -> None:
    (tmp_path / "microphone.txt").mkdir()

    result = rt(None, "mic", "--save", "txt", "--output-dir", tmp_path)

    assert result.exit_code == 2
    assert "microphone.txt: can't be written" in result.stderr


def test_no_microphone_is_one_line_and_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    result = rt(None, "mic")

    assert result.exit_code == 2
    assert result.stderr == (
        "dalston-rt: the microphone needs the extra: pip install 'dalston-realtime[mic]'\n"
    )


def test_an_output_dir_without_a_format_is_said_before_any_audio_is_sent(talk: Path, tmp_path: Path) -> None:
    with fake_server() as server:
        result = rt(server, "transcribe", talk, "--output-dir", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr == (
        "dalston-rt: --output-dir saves nothing by itself; name a format too, such as --save txt\n"
    )
    assert server.queries == []


def test_an_output_dir_that_is_no_folder_is_said(talk: Path) -> None:
    result = rt(None, "transcribe", talk, "--save", "txt", "--output-dir", "/dev/null")
    assert (result.exit_code, result.stderr) == (2, "dalston-rt: /dev/null: is not a folder\n")


def test_a_session_without_words_that_fails_says_one_thing(talk: Path) -> None:
    async def fails(call: Call) -> None:
        await call.begin()
        await call.fail(CloseCode.INTERNAL, "a fault")

    with fake_server(fails) as server:
        result = rt(server, "transcribe", "--fast", talk)
    assert result.exit_code == 5
    assert "nothing was said" not in result.stderr


@contextmanager
def speaking_plain_text() -> Iterator[int]:
    """The port of a server that answers TLS as uvicorn does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize("command", ["models", "transcribe"])
def test_a_server_without_tls_is_told_from_one_that_is_away(talk: Path, command: str) -> None:
    files = [talk] if command == "transcribe" else []
    with speaking_plain_text() as port:
        result = rt(None, command, "--url", f"wss://127.0.0.1:{port}", *files)
    assert result.exit_code == 3
    assert "it speaks no TLS; try ws:// instead of wss://" in result.stderr


@pytest.mark.parametrize(
    ("url", "port"), [("ws://127.0.0.1", 80), ("127.0.0.1", 80), ("wss://127.0.0.1", 443)]
)
@pytest.mark.parametrize("command", ["models", "transcribe"])
def test_an_address_without_a_port_says_which_one_was_tried(
    talk: Path, command: str, url: str, port: int
) -> None:
    files = [talk] if command == "transcribe" else []
    result = rt(None, command, "--url", url, *files)
    assert result.exit_code == 3
    assert f"on port {port}, since the address names none" in result.stderr
