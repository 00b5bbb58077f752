"""`dalston-rt keys` makes, lists and revokes keys in the database of this machine's server."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.auth.keys_command import app


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DALSTON_DATA_DIR", str(tmp_path / "data"))


def run(*arguments: str) -> tuple[int, str, str]:
    """The exit code and what is printed."""
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    code, out, told = run("create", "phone", "--scope", "transcribe", "--expires", "90d")
    assert code == 0
    assert out.startswith("dk_")
    assert len(out.split()) == 1  # So that a script can take it.
    key_id = told.split()[0]
    listed = run("list")[1]
    assert key_id in listed
    assert out.strip() not in listed
    assert run("revoke", key_id)[:2] == (0, f"{key_id} is revoked\n")
    assert "revoked" in run("list")[1]
    assert run("revoke", key_id)[0] == 2
    assert "(history, transcribe)" in run("create", "by default")[2]
    assert (tmp_path / "data" / "audit.log").read_text().count(key_id) == 2


def test_a_key_has_the_limits_that_it_is_made_with() -> None:
    options = ("--sessions", "2", "--audio-per-day", "7200", "--requests-per-minute", "60")
    assert run("create", "phone", *options, "--resume-window", "5")[0] == 0
    listed = run("list")[1]
    assert "sessions=2 audio-per-day=7200 requests-per-minute=60 resume-window=5" in listed
    assert run("create", "x", "--sessions", "0")[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [("--scope", "root"), ("--expires", "soon"), ("--expires", "2020-01-01"), ("--expires", "0d")],
)
def test_a_key_that_makes_no_sense_is_refused(arguments: tuple[str, str]) -> None:
    assert run("create", "x", *arguments)[0] == 2
    assert run("list")[1] == "no key was made\n"


def test_the_command_is_known_without_the_libraries_of_the_server() -> None:
    """Every `dalston-rt` loads it, also where the client alone is installed."""
    script = """
import sys
for name in ("sqlalchemy", "alembic", "pydantic", "structlog", "starlette", "redis"):
    sys.modules[name] = None
import gateway.auth.keys_command
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
