"""A finished transcript in each of the formats of OpenAI's endpoint."""

import json

import pytest

from dalston_realtime.protocol.jobs import (
    EnhancedSegment,
    EnhancedSpeaker,
    EnhancedTranscript,
    SpokenWord,
)
from gateway.api.transcription_form import ResponseFormat
from gateway.api.transcription_formats import format_transcript, stream_events

RESULT = EnhancedTranscript(
    job_id="job_1",
    text="Hello there. Hi.",
    duration=4.5,
    language="en",
    segments=(
        EnhancedSegment(
            id=0,
            start=0.5,
            end=1.5,
            text="Hello there.",
            speaker="S1",
            words=(
                SpokenWord(word="Hello", start=0.5, end=0.9),
                SpokenWord(word="there.", start=1.0, end=1.5),
            ),
        ),
        EnhancedSegment(id=1, start=2.0, end=2.5, text="Hi.", speaker="S2"),
    ),
    speakers=(EnhancedSpeaker(id="S1", name="Maria"), EnhancedSpeaker(id="S2")),
)
NOTHING = EnhancedTranscript(job_id="job_2", text="", duration=3.0)


def body_of(form: ResponseFormat, result: EnhancedTranscript = RESULT) -> str:
    return format_transcript(result, form, frozenset({"word", "segment"}))[0].decode()


@pytest.mark.parametrize(
    ("form", "media_type"),
    [
        ("json", "application/json"),
        ("verbose_json", "application/json"),
        ("diarized_json", "application/json"),
        ("text", "text/plain; charset=utf-8"),
        ("srt", "text/plain; charset=utf-8"),
        ("vtt", "text/plain; charset=utf-8"),
    ],
)
def test_the_media_type_is_what_the_clients_go_by(form: ResponseFormat, media_type: str) -> None:
    assert format_transcript(RESULT, form, frozenset())[1] == media_type


def test_json_and_text_are_the_whole_text() -> None:
    assert json.loads(body_of("json"))["text"] == "Hello there. Hi."
    assert json.loads(body_of("json"))["languages"] == [{"code": "en"}]
    assert body_of("text") == "Hello there. Hi.\n"


def test_subtitles_name_who_has_a_name() -> None:
    assert "00:00:00,500 --> 00:00:01,500\nMaria: Hello there." in body_of("srt")
    assert "\nHi." in body_of("vtt")
    assert "S2" not in body_of("vtt")


def test_verbose_json_has_segments_and_words_where_they_are_known() -> None:
    found = json.loads(body_of("verbose_json"))
    assert [segment["speaker"] for segment in found["segments"]] == ["Maria", "S2"]
    assert found["words"][0] == {"word": "Hello", "start": 0.5, "end": 0.9}
    assert (found["duration"], found["language"]) == (4.5, "english")
    without = json.loads(format_transcript(RESULT, "verbose_json", frozenset())[0])
    assert "words" not in without
    assert "segments" not in without


def test_diarized_json_has_a_speaker_for_each_segment() -> None:
    segments = json.loads(body_of("diarized_json"))["segments"]
    assert [(each["type"], each["id"], each["speaker"]) for each in segments] == [
        ("transcript.text.segment", "seg_0", "Maria"),
        ("transcript.text.segment", "seg_1", "S2"),
    ]


@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt", "verbose_json", "diarized_json"])
def test_a_recording_without_speech_has_an_empty_transcript(form: ResponseFormat) -> None:
    assert "Hello" not in body_of(form, NOTHING)
    if form.endswith("json"):
        assert json.loads(body_of(form, NOTHING))["text"] == ""
    if form == "vtt":
        assert body_of(form, NOTHING) == "WEBVTT\n"


def test_the_deltas_of_a_stream_join_to_its_text() -> None:
    *deltas, done = stream_events(RESULT, speakers=False)
    assert "".join(each["delta"] for each in deltas) == done["text"] == RESULT.text
    assert done["type"] == "transcript.text.done"


def test_a_stream_with_speakers_has_segments() -> None:
    *segments, _ = stream_events(RESULT, speakers=True)
    assert [each["speaker"] for each in segments] == ["Maria", "S2"]
