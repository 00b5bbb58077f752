"""Checks what JSON lines and plain lines hold of a session."""

import json

import pytest

from dalston_realtime.cli.display.view import JsonView, PlainView, make_view
from dalston_realtime.client.connection.received_event import decode_received
from tests.support.shown_session import SESSION, play


def test_plain_lines_hold_only_the_finals_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    play(PlainView(), SESSION)

    out, err = capsys.readouterr()
    assert out == "   0:00.5  Hello world.\n   1:02.0  Good bye.\n"
    assert err == ("talk.wav\nwarning: results are 3 s behind (processing_lag)\nthat was all\n")


def test_json_lines_are_the_servers_events_with_the_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    view = JsonView()
    view.start("talk.wav", 65.0)
    view.show(decode_received('{"type":"transcript.final","text":"é","new":[1]}'))
    view.show_progress(2.0)
    view.close()
    view.print_note("that was all")

    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "file": "talk.wav",
        "type": "transcript.final",
        "text": "é",
        "new": [1],
    }
    assert out.count("\n") == 1
    assert err == ""


def test_a_file_name_that_is_not_utf_8_is_no_reason_to_fail(capsys: pytest.CaptureFixture[str]) -> None:
    view = JsonView()
    view.start("talk\udcff.wav", None)
    view.show(decode_received('{"type":"vad.speech_start","timestamp":1}'))

    assert json.loads(capsys.readouterr().out)["file"] == "talk?.wav"


def test_a_pipe_gets_plain_lines_and_a_program_json() -> None:
    assert isinstance(make_view(json=True), JsonView)
    assert isinstance(make_view(json=False), PlainView)
