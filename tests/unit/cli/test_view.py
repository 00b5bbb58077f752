"""Events in; JSON lines, plain lines or a terminal out, read as a person would."""

import io
import json

import pytest
from rich.console import Console

from dalston_realtime.cli.commands.models import models_table
from dalston_realtime.cli.commands.workers import workers_table
from dalston_realtime.cli.display.latency_table import print_budget
from dalston_realtime.cli.display.phrases import clock, ignored, remark, summary
from dalston_realtime.cli.display.terminal import Footer, TerminalView, line, partial_text
from dalston_realtime.cli.display.view import JsonView, PlainView, TranscriptView, make_view
from dalston_realtime.client.events import (
    Event,
    Final,
    Partial,
    ServerError,
    ServerWarning,
    SessionBegin,
    SessionEnd,
    SessionQueued,
    SpeechEnd,
    SpeechStart,
)
from dalston_realtime.client.results.transcript import Sample, SessionTranscript

BEGIN = SessionBegin(session_id="s", model="tiny", language="en")
SESSION: list[Event] = [
    BEGIN,
    SpeechStart(timestamp=0.5),
    Partial(text="Hello wor", stable=6, start=0.5, end=1.0),
    ServerWarning(code="processing_lag", message="results are 3 s behind"),
    Final(text="Hello world.", start=0.5, end=1.2),
    SpeechEnd(timestamp=1.2),
    Final(text="", flush_id="f"),
    Final(text="Good bye.", start=62.0, end=63.0),
    SessionEnd(),
]


def play(view: TranscriptView, events: list[Event]) -> None:
    view.begin("talk.wav", 65.0)
    for event in events:
        view.show(event)
        view.progress(2.0)
    view.close()
    view.tell("that was all")


def screen(width: int = 80) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=width, color_system=None), out


def rendered(renderable: object, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(renderable)
    return [text.rstrip() for text in console.export_text().splitlines() if text.strip()]


def test_plain_lines_hold_only_the_finals_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    play(PlainView(), SESSION)

    out, err = capsys.readouterr()
    assert out == "   0:00.5  Hello world.\n   1:02.0  Good bye.\n"
    assert err == ("talk.wav\nwarning: results are 3 s behind (processing_lag)\nthat was all\n")


def test_json_lines_are_the_servers_events_with_the_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    play(JsonView(), [Final(text="é", raw={"type": "transcript.final", "text": "é", "new": [1]})])

    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "file": "talk.wav",
        "type": "transcript.final",
        "text": "é",
        "new": [1],
    }
    assert out.count("\n") == 1
    assert err == ""


def test_a_pipe_gets_plain_lines_and_a_program_json() -> None:
    assert isinstance(make_view(json=True), JsonView)
    assert isinstance(make_view(json=False), PlainView)


def test_a_terminal_keeps_the_finals_above_what_changes() -> None:
    console, out = screen()
    play(TerminalView(console), SESSION)

    text = out.getvalue()
    order = ["talk.wav", "tiny · en", "results are 3 s behind", "Hello world.", "Good bye."]
    places = [text.rindex(part) for part in [*order, "that was all"]]
    assert places == sorted(places)
    assert "   0:00.5  Hello world." in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor comes back


def test_the_stable_part_of_a_partial_is_normal_and_the_rest_dim() -> None:
    text = partial_text(Partial(text="Hello wor", stable=6))

    assert text.plain == "Hello wor"
    assert [(span.start, span.end, span.style) for span in text.spans] == [(6, 9, "dim")]


@pytest.mark.parametrize("stable", [None, 0, 99])
def test_a_partial_is_shown_whole_whatever_is_stable(stable: int | None) -> None:
    assert partial_text(Partial(text="Hi\x1b[2J", stable=stable)).plain == "Hi [2J"


def test_the_footer_says_whether_somebody_speaks_and_how_far_it_is() -> None:
    footer = Footer(65.0)
    footer.position = 2.0
    assert rendered(footer) == ["   0:02.0  ○ of 1:05.0"]

    footer.show(SpeechStart(timestamp=0.5))
    footer.show(Partial(text="Hello wor", stable=6))
    assert rendered(footer) == ["           Hello wor", "   0:02.0  ● of 1:05.0"]


def test_a_long_line_goes_on_under_itself() -> None:
    words = partial_text(Partial(text="one two three four five", stable=0))

    assert rendered(line("0:00.0", words), width=26) == [
        "   0:00.0  one two three",
        "           four five",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0:00.0"), (4.25, "0:04.2"), (59.96, "1:00.0"), (3723.4, "1:02:03.4")],
)
def test_times_are_short(seconds: float | None, text: str) -> None:
    assert clock(seconds) == text


def test_remarks_are_for_what_a_person_should_know() -> None:
    assert remark(ServerError(code="invalid_message", message="m", recoverable=True)) is not None
    assert remark(ServerError(code="internal", message="m")) is None  # it ends the session
    assert remark(SessionBegin(session_id="s", model="tiny", degraded=True)) is not None
    assert remark(SessionQueued(position=2, expected_wait=5.2)) == (
        "waiting for a free place (position 2, about 5 s)"
    )
    assert remark(Final(text="a")) is None


def test_what_the_model_does_not_have_is_said() -> None:
    begin = SessionBegin(
        session_id="s", model="tiny", features={"vocabulary": False, "word_timestamps": True}
    )

    notes = ignored(begin, {"vocabulary": ["Pozzo"], "word_timestamps": True})

    assert notes == ["warning: tiny can't listen for a vocabulary"]
    assert ignored(begin, {"vocabulary": None}) == []


def test_the_summary_says_what_is_known() -> None:
    said = SessionTranscript(finals=[Final(text="a")])
    assert summary(said) == "1 utterance, incomplete"

    said.add(SessionEnd(audio_duration=44.08, speech_duration=38.2))
    assert summary(said) == "44.1 s of audio, 38.2 s of speech, 1 utterance"
    assert summary(SessionTranscript(end=SessionEnd())) == "nothing was said"


def test_the_budget_is_a_table_of_figures() -> None:
    console, out = screen(100)
    samples = [Sample(True, {"asr": 300.0, "vad": 1.25}, 0.002), Sample(False, {"asr": 90.0}, None)]

    print_budget(console, samples)

    lines = {text[:20].strip(): text.split()[-5:] for text in out.getvalue().splitlines()}
    assert "Latency, ms (1 partial, 1 final)" in out.getvalue()
    assert lines["ASR inference"] == ["~250", "90", "90", "300", "300"]
    assert lines["VAD processing"] == ["~20", "–", "–", "1.2", "1.2"]


def test_no_timing_is_said() -> None:
    console, out = screen()

    print_budget(console, [])

    assert "No timing" in out.getvalue()


def test_workers_are_a_table_in_the_order_of_their_names() -> None:
    table = workers_table(
        [
            {
                "worker_id": "b",
                "status": "busy",
                "active_sessions": 4,
                "capacity": 4,
                "models": ["parakeet", "whisper"],
                "lag": 0.25,
                "gpu_memory_used": "4GB",
                "gpu_memory_total": "24GB",
                "endpoint": "ws://b:9000",
            },
            {"worker_id": "a", "status": "offline", "models": None},
        ]
    )

    _, _, first, second, third = rendered(table)
    assert first.split() == ["a", "offline", "–", "/", "–", "–", "–", "–"]
    assert second.split() == [
        *("b", "busy", "4", "/", "4", "parakeet", "0.2", "s", "4GB", "of", "24GB", "ws://b:9000")
    ]
    assert third.split() == ["whisper"]


def test_models_are_a_table() -> None:
    table = models_table(
        [
            {
                "name": "tiny",
                "variant": "fast",
                "engine": "moonshine",
                "languages": ["en", "de"],
                "features": {"interim_results": True, "vocabulary": False},
                "workers": 2,
            },
            {"name": "bare"},
        ]
    )

    _, _, first, second = rendered(table)
    assert first.split() == ["tiny", "fast", "moonshine", "en,", "de", "interim", "results", "2"]
    assert second.split() == ["bare", "–", "–", "–", "–", "–"]


def test_nothing_to_show_is_said() -> None:
    assert "no worker is registered" in rendered(workers_table([]))[-1]
    assert "no live worker has a model" in rendered(models_table([]))[-1]
