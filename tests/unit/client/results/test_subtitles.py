"""Checks txt, json, srt and vtt files with a reader of the test's own."""

import html
import json
import re
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.client.connection.received_event import decode_received
from dalston_realtime.client.results.subtitles import (
    Format,
    render,
    to_json,
    to_srt,
    to_txt,
    to_vtt,
)
from dalston_realtime.client.results.transcript import SessionTranscript
from dalston_realtime.protocol.events import Final, SessionBegin, SessionEnd, Word
from dalston_realtime.subtitles.cues import CUE_SECONDS, LINE_CHARS, Cue, cues, plain, wrapped
from tests.support.client_sessions import received

SRT_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d),(\d{3})"
VTT_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})"


def final(text: str, start: float | None = 0.0, end: float | None = 1.0, **more: Any) -> Final:
    return Final(text=text, start=start, end=end, **more)


def assert_readable(found: list[Cue]) -> None:
    """Two lines of 42 characters and seven seconds at most, and one cue at a time."""
    for cue in found:
        lines = wrapped(cue.text)
        assert len(lines) <= 2
        assert all(len(line) <= LINE_CHARS or " " not in line for line in lines)
        assert 0 < round(cue.end - cue.start, 3) <= CUE_SECONDS
    assert all(one.end <= other.start for one, other in pairwise(found))


def transcript(*finals: Final) -> SessionTranscript:
    return SessionTranscript(finals=list(finals))


def seconds(groups: tuple[str, ...]) -> float:
    hours, minutes, whole, ms = map(int, groups)
    return hours * 3600 + minutes * 60 + whole + ms / 1000


def read_srt(text: str) -> list[tuple[float, float, str]]:
    found = []
    for number, block in enumerate(filter(None, text.split("\n\n")), start=1):
        index, times, *lines = block.rstrip("\n").split("\n")
        assert int(index) == number
        match = re.fullmatch(f"{SRT_TIME} --> {SRT_TIME}", times)
        assert match is not None
        groups = match.groups()
        found.append((seconds(groups[:4]), seconds(groups[4:]), " ".join(lines)))
    return found


def read_vtt(text: str) -> list[tuple[float, float, str]]:
    head, *blocks = text.rstrip("\n").split("\n\n")
    assert head == "WEBVTT"
    found = []
    for block in blocks:
        times, *lines = block.split("\n")
        match = re.fullmatch(f"{VTT_TIME} --> {VTT_TIME}", times)
        assert match is not None
        payload = " ".join(lines)
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", payload)
        groups = match.groups()
        found.append((seconds(groups[:4]), seconds(groups[4:]), html.unescape(payload)))
    return found


def test_srt() -> None:
    text = to_srt(transcript(final("Hello.", 0.5, 1.25), final("Bye.", 3661.0, 3662.5)))

    assert text == ("1\n00:00:00,500 --> 00:00:01,250\nHello.\n\n2\n01:01:01,000 --> 01:01:02,500\nBye.\n")


def test_vtt_is_escaped() -> None:
    text = to_vtt(transcript(final("R&D <b> --> 5 > 4", 0.0, 1.0)))

    assert text == ("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nR&amp;D &lt;b&gt; --&gt; 5 &gt; 4\n")


def test_a_backslash_of_the_text_is_no_line_break() -> None:
    said = transcript(final(r"C:\new {\i1} {\p1}", 0.0, 1.0))

    assert to_srt(said) == "1\n00:00:00,000 --> 00:00:01,000\nC:\\\u2060new {\\i1} {\\\u2060p1}\n"
    assert to_vtt(said).endswith("\nC:\\\u2060new {\\i1} {\\\u2060p1}\n")


def test_no_cue_starts_before_the_one_before_it_is_gone() -> None:
    finals = final("a", 5.0, 6.0), final("b", 1.0, 2.0)
    found, vtt = list(cues(finals)), to_vtt(transcript(*finals))

    assert [(cue.start, cue.end) for cue in found] == [(5.0, 6.0), (6.0, 6.001)]
    assert vtt.index("\na\n") < vtt.index("\nb\n")


def test_long_lines_are_wrapped() -> None:
    (cue,) = to_srt(transcript(final("one two three " * 5))).split("\n\n")

    assert all(len(line) <= 42 for line in cue.split("\n")[2:])


def test_words_with_times_split_a_long_final() -> None:
    words = tuple(Word(word=f"word{n}", start=float(n), end=n + 0.9) for n in range(20))
    text = " ".join(word.word for word in words)

    found = list(cues([final(text, 0.0, 20.0, words=words)]))

    assert " ".join(cue.text for cue in found) == text
    assert len(found) > 1
    assert_readable(found)
    assert [cue.start for cue in found] == [0.0, 7.0, 14.0]


def test_words_that_do_not_say_the_text_do_not_change_it() -> None:
    words = tuple(Word(word="x", start=float(n), end=n + 0.5) for n in range(20))

    assert [cue.text for cue in cues([final("What was said.", words=words)])] == ["What was said."]


def test_without_times_of_words_a_long_final_is_split_by_the_length_of_its_words() -> None:
    text = " ".join(["word"] * 30)

    found = list(cues([final(text, 0.0, 15.0, words=tuple(Word(word="word") for _ in range(30)))]))

    assert " ".join(cue.text for cue in found) == text
    assert [cue.start for cue in found] == [0.0, 7.0, 14.0]
    assert_readable(found)


def test_a_cue_ends_behind_a_clause() -> None:
    text = (
        "When the sun came out in the morning, they went down to the river,"
        " and nobody said a word until the evening. Then it rained."
    )

    assert [cue.text for cue in cues([final(text, 0.0, 12.0)])] == [
        "When the sun came out in the morning, they went down to the river,",
        "and nobody said a word until the evening. Then it rained.",
    ]


def test_a_final_that_lasts_too_long_goes_after_seven_seconds() -> None:
    assert [(cue.start, cue.end) for cue in cues([final("Yes.", 2.0, 20.0)])] == [(2.0, 9.0)]


def test_a_final_without_times_stays_behind_the_one_before_it() -> None:
    found = list(cues([final("a", 1.0, 2.0), final("b", None, None)]))

    assert (found[1].start, found[1].text) == (2.0, "b")


def test_txt_is_one_final_a_line() -> None:
    assert to_txt(transcript(final("One\ntwo."), final("Three."))) == "One two.\nThree.\n"


def test_json_holds_what_is_known_and_nothing_else() -> None:
    whole = SessionTranscript()
    whole.append(received(SessionBegin(session_id="s", model="tiny")))
    whole.append(decode_received('{"type":"transcript.final","seq":3,"text":"A.","new":1}'))
    whole.append(received(SessionEnd(audio_duration=1.5)))

    assert json.loads(to_json(whole)) == {
        "transcript": "A.",
        "complete": True,
        "session_id": "s",
        "model": "tiny",
        "audio_duration": 1.5,
        "finals": [{"text": "A.", "new": 1}],
    }


def test_nothing_said_is_a_valid_file_of_every_format() -> None:
    contents = {form: render(transcript(), form) for form in Format}

    assert contents[Format.TXT] == contents[Format.SRT] == ""
    assert contents[Format.VTT] == "WEBVTT\n"
    assert json.loads(contents[Format.JSON])["finals"] == []


def _as_written(text: str) -> str:
    """A backslash that pysubs2 would take for a line break has a word joiner behind it."""
    return re.sub(r"\\(?=[nNhp])", "\\\\\u2060", text)


MOMENTS = st.none() | st.floats(-1, 1e5)
TEXTS = st.text() | st.sampled_from(["-->", r"\N{\p1}", "a\n\nb", "<i>", "&amp;", "1\n2", "\x00", "\u2028"])
WORDS = st.builds(Word, word=TEXTS, start=MOMENTS, end=MOMENTS)
FINALS = st.builds(
    Final,
    text=TEXTS,
    start=MOMENTS,
    end=MOMENTS,
    words=st.none() | st.lists(WORDS, max_size=5).map(tuple),
)


def test_a_word_without_text_makes_no_cue() -> None:
    words = (Word(word="", start=0.0, end=0.0), Word(word="eight", start=0.0, end=CUE_SECONDS + 1))
    assert [cue.text for cue in cues([final("eight", words=words)])] == ["eight"]


@given(st.lists(FINALS))
def test_srt_can_be_read_back_whatever_was_said(finals: list[Final]) -> None:
    found = read_srt(to_srt(transcript(*finals)))

    said = " ".join(filter(None, (plain(f.text) for f in finals)))
    assert plain(" ".join(text for _, _, text in found)) == _as_written(said).replace("-->", "→")
    assert all(start < end for start, end, _ in found)


@given(st.lists(FINALS))
def test_vtt_can_be_read_back_whatever_was_said(finals: list[Final]) -> None:
    found = read_vtt(to_vtt(transcript(*finals)))

    said = " ".join(filter(None, (plain(f.text) for f in finals)))
    assert plain(" ".join(text for _, _, text in found)) == _as_written(said)
    assert all(start < end for start, end, _ in found)


@given(st.lists(st.tuples(st.text("abc,.", min_size=1, max_size=12), st.floats(0.05, 3))))
def test_split_cues_lose_no_word_and_keep_their_order(said: list[tuple[str, float]]) -> None:
    at, words = 0.0, []
    for word, length in said:
        words.append(Word(word=word, start=at, end=at + length))
        at += length
    text = " ".join(word for word, _ in said)

    found = list(cues([final(text, 0.0, at, words=tuple(words))]))

    assert " ".join(cue.text for cue in found) == text
    assert_readable(found)


@given(st.lists(FINALS))
def test_cues_are_readable_whatever_was_said(finals: list[Final]) -> None:
    assert_readable(list(cues(finals)))


@given(st.lists(FINALS))
def test_every_format_takes_every_transcript(finals: list[Final]) -> None:
    for form in Format:
        render(transcript(*finals), form)


def test_separate_channels_are_named_and_in_the_order_in_which_they_began() -> None:
    finals = (final("Second.", 2.0, 3.0, channel=0), final("First.", 0.0, 1.5, channel=1))
    transcript = SessionTranscript(finals=list(finals))
    assert to_txt(transcript) == "Channel 2: First.\nChannel 1: Second.\n"
    for form in (Format.SRT, Format.VTT):
        text = render(transcript, form)
        assert text.index("Channel 2: First.") < text.index("Channel 1: Second.")
