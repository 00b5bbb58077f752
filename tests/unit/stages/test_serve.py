"""Checks `dalston-rt serve`: what it becomes, and the one line that it says where it can't."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from runtime import extras
from stages.serve import serve

app = typer.Typer()
app.command()(serve)
runner = CliRunner()


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no settings of who runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DALSTON_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """What it blocks until the supervisor runs is not blocked for the tests behind it and their processes."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@pytest.fixture(name="became")
def _became(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Sequence[str], Mapping[str, str]]]:
    """The commands that the process became, with their environments."""
    found: list[tuple[Sequence[str], Mapping[str, str]]] = []
    monkeypatch.setattr(
        os, "execve", lambda _path, command, environment: found.append((command, environment))
    )
    return found


def test_each_stage_runs_as_often_as_the_fan_out_says(
    became: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DALSTON_FANOUT=vad=3\nDALSTON_GATEWAY_PORT=81\nDALSTON_OVERFLOW=queue\n")
    monkeypatch.setenv("DALSTON_FANOUT", "vad=2,asr=2")
    monkeypatch.setenv("DALSTON_GATEWAY_PORT", "82")
    assert runner.invoke(app, []).exit_code == 0
    ((command, environment),) = became
    assert command[-2:] == ["--concurrency", "vad=2,asr=2,assembler=1,sender=1"]
    assert (environment["DALSTON_GATEWAY_PORT"], environment["DALSTON_OVERFLOW"]) == ("82", "queue")


def test_some_lines_may_be_asked_for(became: list[tuple[list[str], dict[str, str]]]) -> None:
    assert runner.invoke(app, ["broker", "gateway"]).exit_code == 0
    assert became[0][0][-2:] == ["broker", "gateway"]


def complaint(*arguments: str) -> str:
    """The one line that it says instead of starting."""
    done = runner.invoke(app, list(arguments))
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return str(line)


def test_without_the_extra_it_says_what_to_install(
    became: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "requires", lambda _: ['no-such-library>=1; extra == "server"'])
    assert complaint() == "dalston-rt: serve needs no-such-library: pip install 'dalston-realtime[server]'"
    assert became == []


def test_a_bad_fan_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSTON_FANOUT", "vda=2")
    assert "'vda=2' is not one of vad, asr" in complaint()


def test_a_file_of_settings_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DALSTON_MODELS='x\n")
    assert f"can't read {tmp_path}/.env" in complaint()
