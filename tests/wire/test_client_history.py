"""The commands for the sessions that are kept, on a server whose answers are given."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dalston_realtime.cli.app import app
from tests.support.fake_server import fake_server

ID = "a" * 32
PATH = "/v1/realtime/sessions"
SESSION = {
    "session_id": ID,
    "begun_at": "2026-05-04T12:00:00.000Z",
    "status": "ended",
    "audio_seconds": 2.5,
    "words": 2,
    "metadata": {"customer": "acme"},
    "hits": [{"utterance": 1, "parts": [{"text": "Hello "}, {"text": "world", "hit": True}]}],
}
TRANSCRIPT = {
    "session_id": ID,
    "source": "live",
    "transcript": "Hello world.",
    "utterances": [{"utterance": 1, "text": "Hello world.", "start": 0.5, "speaker_name": "Anna"}],
}
ANSWERS: dict[str, tuple[int, Any]] = {
    PATH: (200, {"sessions": [SESSION]}),
    f"{PATH}/{ID}": (200, SESSION),
    f"{PATH}/{ID}/transcript": (200, TRANSCRIPT),
    f"{PATH}/{ID}/export/srt": (200, b"1\n00:00:00,000 --> 00:00:01,000\nHello world.\n"),
    f"{PATH}/{'b' * 32}": (409, {"error": {"code": "session_active", "message": "the session runs"}}),
}


def command(*arguments: str, answers: dict[str, tuple[int, Any]] | None = None) -> tuple[int, str]:
    """Exit code and output of a command."""
    with fake_server(answers=ANSWERS if answers is None else answers) as server:
        result = CliRunner().invoke(app, [*arguments, "--url", server.url])
        return result.exit_code, result.output


def test_the_sessions_are_listed_with_what_was_found() -> None:
    code, output = command("sessions", "--search", "world")
    assert code == 0
    assert ID in output
    assert "05-04 12:00" in output
    assert f"{ID}  Hello world\n" in output
    code, output = command("sessions", "--json")
    assert json.loads(output) == [SESSION]


def test_no_session_is_said() -> None:
    empty: dict[str, tuple[int, Any]] = {PATH: (200, {"sessions": []})}
    assert "no session is kept" in command("sessions", answers=empty)[1]
    code, output = command("show", "last", answers=empty)
    assert (code, "no session is kept" in output) == (2, True)


@pytest.mark.parametrize("session", [ID, "last"])
def test_a_session_is_shown(session: str) -> None:
    code, output = command("show", session)
    assert code == 0
    assert "Anna: Hello world." in output
    assert json.loads(command("show", session, "--json")[1])["transcript"] == "Hello world."


def test_a_transcript_is_written_to_a_file_or_to_stdout(tmp_path: Path) -> None:
    file = tmp_path / "talk.srt"
    assert command("export", ID, "--format", "srt", "--output", str(file))[0] == 0
    code, output = command("export", "last", "--format", "srt")
    assert code == 0
    assert output == file.read_text() == "1\n00:00:00,000 --> 00:00:01,000\nHello world.\n"
    code, output = command("export", ID, "--format", "srt", "--output", str(tmp_path / "none" / "x"))
    assert (code, "can't be written" in output) == (2, True)


def test_a_session_is_deleted_unless_it_runs() -> None:
    assert command("delete", ID) == (0, f"{ID} is deleted\n")
    code, output = command("delete", "b" * 32)
    assert (code, "the session runs" in output) == (2, True)
