"""What the form of a file asks for, and what is wrong with it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.jobs import JobOptions
from gateway.api.transcription_form import FORMATS, check_options, read_form


def test_an_empty_form_asks_for_text_without_speakers() -> None:
    asked = read_form([])
    assert (asked.response_format, asked.stream, asked.wait) == ("json", False, True)
    assert asked.options == JobOptions(diarize=False, cleanup=False, emotions=False)


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "scribe_v2", ""])
def test_the_models_of_others_mean_the_server_s(model: str) -> None:
    assert read_form([("model", model)]).options.model is None


def test_our_models_are_taken_by_name() -> None:
    assert read_form([("model", "accurate")]).options.model == "accurate"


@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
def test_lists_may_be_named_in_both_ways(name: str) -> None:
    asked = read_form([(name, "word"), (name, "segment")])
    assert asked.granularities == {"word", "segment"}


@pytest.mark.parametrize(("form", "diarize"), [("json", False), ("srt", True), ("diarized_json", True)])
def test_speakers_are_told_apart_where_they_are_shown(form: str, diarize: bool) -> None:
    assert read_form([("response_format", form)]).options.diarize is diarize


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ([("languages[]", "en-GB")], "en"),
        ([("languages[]", "en"), ("languages[]", "de")], None),
        ([("languages[]", "de"), ("language", "en")], "en"),
    ],
)
def test_one_of_several_languages_is_none(fields: list[tuple[str, str]], language: str | None) -> None:
    assert read_form(fields).options.language == language


def test_what_changes_nothing_is_named() -> None:
    assert read_form([("temperature", "0"), ("prompt", "x")]).ignored == ("prompt", "temperature")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ([("response_format", "xml")], "response_format"),
        ([("timestamp_granularities[]", "letter")], "timestamp_granularities"),
        ([("stream", "maybe")], "stream"),
        ([("async", "2")], "async"),
        ([("language", "english please")], "language"),
        ([("speakers", "0")], "speakers"),
        ([("speakers", "21")], "speakers"),
        ([("diarize", "false"), ("response_format", "diarized_json")], "diarize"),
        ([("known_speaker_names[]", "Maria")], "known_speaker_names"),
    ],
)
def test_a_bad_value_is_refused_by_name(fields: list[tuple[str, str]], param: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        read_form(fields)
    assert refused.value.param == param
    assert param in refused.value.message


@given(st.lists(st.tuples(st.sampled_from(["model", "language", "stream", "speakers", "x"]), st.text())))
def test_any_form_is_read_or_refused(fields: list[tuple[str, str]]) -> None:
    with suppress(InvalidParameter):
        assert read_form(fields).response_format in FORMATS


def test_the_options_of_a_job_are_checked() -> None:
    assert check_options(JobOptions()) == JobOptions()
    asked = check_options(JobOptions(model="fast", language="en-US", diarize=False, speakers=2))
    assert asked == JobOptions(model="fast", language="en", diarize=False, speakers=2)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        (JobOptions(model="whisper:/etc/passwd"), "model"),
        (JobOptions(language="../en"), "language"),
        (JobOptions(speakers=100), "speakers"),
    ],
)
def test_bad_options_are_refused(options: JobOptions, param: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        check_options(options)
    assert refused.value.param == param
