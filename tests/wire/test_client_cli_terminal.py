"""Checks the command line as a process of its own: pipes, terminals and Ctrl-C."""

import os
import pty
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dalston_realtime.client import rest
from dalston_realtime.protocol.events import Final
from tests.support.client_commands import COMMAND, DEADLINE, WORKER, recording, rt
from tests.support.fake_server import Call, fake_server
from tests.support.fake_sound_device import FakeSoundDevice
from tests.support.managed_process import ManagedProcess


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """0.35 s of noise at 8 kHz in stereo."""
    return recording(tmp_path / "talk.wav")


def test_raw_pcm_on_standard_input() -> None:
    pcm = np.random.default_rng(1).bytes(8_000)
    with fake_server() as server:
        piped = subprocess.run(
            [*COMMAND, "transcribe", "-", "--url", server.url],
            input=pcm,
            capture_output=True,
            timeout=DEADLINE,
            check=True,
        )

    assert piped.stdout.decode().splitlines()[-1].endswith("Good bye.")
    assert bytes(server.audio) == pcm
    assert server.frames == [3_200, 3_200, 1_600]


def test_a_wav_on_standard_input_and_in_a_named_pipe(talk: Path) -> None:
    with fake_server() as server:
        for command in ("transcribe --fast - < talk.wav", "transcribe --fast - <(cat talk.wav) < talk.wav"):
            subprocess.run(
                ["bash", "-c", f"{shlex.join(COMMAND)} {command}"],
                cwd=talk.parent,
                env=os.environ | {"DALSTON_URL": server.url},
                stdin=subprocess.DEVNULL,
                timeout=DEADLINE,
                check=True,
            )

    assert len(server.queries) == 3
    assert len(server.audio) == pytest.approx(3 * 2 * 16_000 * 0.35, abs=120)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_full_disk_behind_standard_output_is_one_line(talk: Path, form: list[str]) -> None:
    with fake_server() as server, Path("/dev/full").open("w") as full:
        command = [*COMMAND, "transcribe", "--fast", *form, str(talk), "--url", server.url]
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=DEADLINE, check=False
        )

    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (
        f"dalston-rt: {talk}: the output can't be written (No space left on device)"
    )


@pytest.mark.parametrize("command", [["models"], ["models", "--json"], ["workers", "--once"], ["--version"]])
def test_a_full_disk_is_one_line_of_every_command(command: list[str]) -> None:
    answers = {rest.WORKERS: (200, {"workers": [WORKER]}), rest.MODELS: (200, {"models": []})}
    with fake_server(answers=answers) as server:
        result = _with_full_disk([*COMMAND, *command], server.url)

    assert result.returncode == 2
    assert result.stderr == "dalston-rt: the output can't be written (No space left on device)\n"


def _with_full_disk(command: list[str], url: str) -> subprocess.CompletedProcess[str]:
    """The command with a standard output that takes nothing."""
    with Path("/dev/full").open("w") as full:
        env = os.environ | {"DALSTON_URL": url}
        return subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=env, timeout=DEADLINE, check=False
        )


@pytest.mark.parametrize("source", ["- < /dev/null", "<(true)"])
def test_a_pipe_whose_writer_failed_is_no_silent_success(source: str) -> None:
    async def nothing_said(call: Call) -> None:
        await call.begin()
        await call.receive_until("end")
        await call.end("")

    with fake_server(nothing_said) as server:
        result = subprocess.run(
            ["bash", "-c", f"{shlex.join(COMMAND)} transcribe --fast {source}"],
            env=os.environ | {"DALSTON_URL": server.url},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].endswith("there is no audio, it ended before its first byte")


def test_ctrl_c_ends_the_audio_and_prints_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(16_000 * 600), 16_000)
    running: list[ManagedProcess] = []

    async def script(call: Call) -> None:
        await call.begin()
        await call.receive()
        running[0].send(signal.SIGINT)
        await call.receive_until("end")
        await call.say(Final(utterance=1, text="Until then.", start=0.0, end=0.1))
        await call.end("Until then.")

    with fake_server(script) as server:
        command = [*COMMAND, "transcribe", str(path), str(path), "--url", server.url]
        with ManagedProcess(*command, stderr=subprocess.PIPE) as process:
            running.append(process)
            assert process.wait(DEADLINE) == 130

    assert process.lines == ["   0:00.0  Until then."]
    assert not any("Traceback" in line for line in process.errors)
    assert len(server.queries) == 1  # the second file is not begun


def test_a_second_ctrl_c_waits_for_nothing(talk: Path) -> None:
    running: list[ManagedProcess] = []

    async def script(call: Call) -> None:
        await call.begin()
        await call.receive()
        running[0].send(signal.SIGINT)
        await call.receive_until("end")
        running[0].send(signal.SIGINT)
        await call.socket.wait_closed()

    with (
        fake_server(script) as server,
        ManagedProcess(*COMMAND, "transcribe", str(talk), "--url", server.url) as process,
    ):
        running.append(process)
        assert process.wait(DEADLINE) == 130

    assert not any("Traceback" in line for line in process.lines)


def test_the_microphone_until_ctrl_c(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice(rates=(44_100,), chunks=3))

    async def script(call: Call) -> None:
        await call.begin()
        for _ in range(3):
            await call.receive()
        os.kill(os.getpid(), signal.SIGINT)
        await call.receive_until("end")
        await call.say(Final(utterance=1, text="One two.", start=0.0, end=0.1))
        await call.end("One two.")

    with fake_server(script) as server:
        result = rt(server, "mic", "--save", "txt", "--output-dir", tmp_path)

    assert result.exit_code == 0
    assert result.stdout == "   0:00.0  One two.\n"
    assert server.queries == [{"model": "fast", "sample_rate": "44100"}]
    assert (tmp_path / "microphone.txt").read_text() == "One two.\n"


def test_a_reader_that_goes_away_is_no_traceback(talk: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with fake_server() as server:
        command = [*COMMAND, "transcribe", "--json", str(talk), "--url", server.url]
        with ManagedProcess(*command, stdout=writer, stderr=subprocess.PIPE) as process:
            os.close(writer)
            assert process.wait(DEADLINE) == 1

    assert process.errors == []


def test_a_terminal_shows_partials_in_place(talk: Path) -> None:
    ours, theirs = pty.openpty()
    with fake_server() as server:
        command, env = [*COMMAND, "transcribe", str(talk), "--url", server.url], on_terminal(80)
        with ManagedProcess(*command, env=env, stdout=theirs) as process:
            os.close(theirs)
            shown = read_all(ours)
            assert process.wait(DEADLINE) == 0

    assert "Hello world." in shown
    assert "tiny · en" in shown
    assert shown.rindex("Good bye.") < shown.rindex("2 utterances")
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def on_terminal(columns: int) -> dict[str, str]:
    """The environment of a program on a terminal of that width."""
    return {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}


def read_all(fd: int) -> str:
    """Everything on a terminal until its last writer is gone."""
    parts = []
    try:
        while part := os.read(fd, 65_536):
            parts.append(part)
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(fd)
    return b"".join(parts).decode()


def test_workers_on_a_terminal_until_ctrl_c() -> None:
    ours, theirs = pty.openpty()
    with fake_server(answers={rest.WORKERS: (200, {"workers": [WORKER]})}) as server:
        command, env = [*COMMAND, "workers", "--url", server.url], on_terminal(100)
        with ManagedProcess(*command, env=env, stdout=theirs) as process:
            os.close(theirs)
            shown = b""
            while shown.count(b"host-9000") < 2:  # drawn, and drawn again in place
                shown += os.read(ours, 65_536)
            process.send(signal.SIGINT)
            shown += read_all(ours).encode()
            assert process.wait(DEADLINE) == 130

    assert b"Traceback" not in shown
    assert shown.endswith(b"\x1b[?25h")  # the cursor comes back
