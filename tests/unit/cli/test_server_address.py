"""Checks which server a command talks to where --url does not name one."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dalston_realtime.cli import options as opt
from dalston_realtime.client.url import DEFAULT_URL

app = typer.Typer()


@app.command()
def show(url: opt.Url = DEFAULT_URL) -> None:
    print(url)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder, and an environment that names no server."""
    monkeypatch.chdir(tmp_path)
    for name in ("DALSTON_URL", "DALSTON_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)


def address(*args: str, **environment: str) -> str:
    return CliRunner(env=environment).invoke(app, args).stdout.strip()


def test_nothing_said_is_the_default() -> None:
    assert address() == address(DALSTON_GATEWAY_PORT="") == "ws://127.0.0.1:8000"


def test_the_port_of_the_gateway_is_used() -> None:
    assert address(DALSTON_GATEWAY_PORT="8123") == "ws://127.0.0.1:8123"


@pytest.mark.parametrize("line", ["{}=8124", "export {}='8124'", '  {} = "8124" # mine', "{}=8124 # mine"])
def test_the_file_env_is_read(line: str) -> None:
    Path(".env").write_text(f"# ours\nOTHER=1\n{line.format('DALSTON_GATEWAY_PORT')}\n")

    assert address() == "ws://127.0.0.1:8124"
    assert address(DALSTON_GATEWAY_PORT="8125") == "ws://127.0.0.1:8125"


def test_a_url_goes_before_a_port() -> None:
    Path(".env").write_text("DALSTON_URL=wss://host\nDALSTON_GATEWAY_PORT=8124\n")

    assert address() == "wss://host"
    assert address(DALSTON_URL="ws://other") == "ws://other"
    assert address("--url", DEFAULT_URL, DALSTON_URL="ws://other") == DEFAULT_URL


def test_a_file_that_is_no_text_is_left_alone() -> None:
    Path(".env").write_bytes(b"\xff\xfe")

    assert address() == DEFAULT_URL
