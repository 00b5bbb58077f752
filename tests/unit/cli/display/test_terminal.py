"""Checks what a live terminal shows of a session."""

import pytest

from dalston_realtime.cli.display.terminal import Footer, TerminalView, partial_text, timed_row
from dalston_realtime.protocol.events import Partial, SpeechStart
from tests.support.rendering import rendered, screen
from tests.support.shown_session import SESSION, play


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

    footer.update(SpeechStart(timestamp=0.5))
    footer.update(Partial(text="Hello wor", stable=6))
    assert rendered(footer) == ["           Hello wor", "   0:02.0  ● of 1:05.0"]


def test_a_long_line_goes_on_under_itself() -> None:
    words = partial_text(Partial(text="one two three four five", stable=0))

    assert rendered(timed_row("0:00.0", words), width=26) == [
        "   0:00.0  one two three",
        "           four five",
    ]
