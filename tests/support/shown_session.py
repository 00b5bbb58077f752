"""Holds the session that the tests of the views show."""

from dalston_realtime.cli.display.view import TranscriptView
from dalston_realtime.protocol.events import Event as KnownEvent
from dalston_realtime.protocol.events import (
    Final,
    Partial,
    ServerWarning,
    SessionBegin,
    SessionEnd,
    SpeechEnd,
    SpeechStart,
)
from tests.support.client_sessions import received

BEGIN = SessionBegin(session_id="s", model="tiny", language="en")
SESSION: list[KnownEvent] = [
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


def play(view: TranscriptView, events: list[KnownEvent]) -> None:
    view.start("talk.wav", 65.0)
    for event in events:
        view.show(received(event))
        view.show_progress(2.0)
    view.close()
    view.print_note("that was all")
