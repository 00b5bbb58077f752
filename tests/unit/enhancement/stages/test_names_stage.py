"""Speakers get names: given ones first, then enrolled voices, then what they say of themselves."""

from pathlib import Path

from dalston_realtime.protocol.jobs import JobOptions
from enhancement.artifacts import Named
from enhancement.stage_work import EarlierUtterance, JobSession, Skipped, StageResult
from enhancement.stages.names import run
from tests.support.stage_works import diarized, enrolled, heard, stage_work

TALK = heard("Hello everyone, this is Maria.", "Good to see you.", "Shall we begin?")
VOICES = {"S1": (1.0, 0.1, 0.0), "S2": (0.0, 1.0, 0.2)}


def named(result: StageResult | Skipped) -> Named:
    assert isinstance(result, StageResult)
    assert isinstance(result.output, Named)
    return result.output


def names_of(found: Named) -> dict[str, tuple[str, str]]:
    return {label: (name.name, name.source) for label, name in found.names.items()}


def test_who_introduces_themselves_is_named(tmp_path: Path) -> None:
    outputs = {"transcribe": TALK, "diarize": diarized(["S1", "S2", "S1"], VOICES)}
    found = named(run(stage_work(tmp_path, "names", outputs)))
    assert names_of(found) == {"S1": ("Maria", "introduced")}


def test_an_enrolled_voice_is_named_and_counts_more(tmp_path: Path) -> None:
    outputs = {"transcribe": TALK, "diarize": diarized(["S1", "S2", "S1"], VOICES)}
    known = [enrolled("Maria Lopez", 1, 0, 0), enrolled("Tom", 0, 1, 0), enrolled("Eve", 0, 0, 1)]
    found = named(run(stage_work(tmp_path, "names", outputs, known=known)))
    assert names_of(found) == {"S1": ("Maria Lopez", "enrolled"), "S2": ("Tom", "enrolled")}
    assert found.names["S2"].score is not None
    assert 0.9 < found.names["S2"].score <= 1.0


def test_a_voice_that_was_not_enrolled_never_gets_a_name(tmp_path: Path) -> None:
    outputs = {"transcribe": heard("Good."), "diarize": diarized(["S1"], {"S1": (0.4, 0.4, 0.8)})}
    found = named(run(stage_work(tmp_path, "names", outputs, known=[enrolled("Tom", 0, 1, 0)])))
    assert found.names == {}


def test_names_that_somebody_gave_stay_with_their_voices(tmp_path: Path) -> None:
    """The labels of the second pass are the other way round."""
    outputs = {"transcribe": TALK, "diarize": diarized(["S1", "S2", "S1"], VOICES)}
    earlier = [
        EarlierUtterance(start=3.0 * at, end=3.0 * at + 2, speaker=s)
        for at, s in enumerate(["S2", "S1", "S2"])
    ]
    session = JobSession(
        id=f"{1:032x}",
        speakers={"S2": "Mary", "S1": "Tom"},
        given=frozenset({"S2"}),
        earlier=tuple(earlier),
    )
    found = named(run(stage_work(tmp_path, "names", outputs, session=session)))
    assert found.labels == {"S1": "S2", "S2": "S1"}
    assert names_of(found) == {"S1": ("Mary", "given")}


def test_without_names_the_labels_still_stay(tmp_path: Path) -> None:
    outputs = {"transcribe": TALK, "diarize": diarized(["S1", "S2", "S1"], VOICES)}
    found = named(run(stage_work(tmp_path, "names", outputs, options=JobOptions(names=False))))
    assert (found.names, found.labels) == ({}, {"S1": "S1", "S2": "S2"})


def test_two_speakers_never_have_one_name(tmp_path: Path) -> None:
    outputs = {"transcribe": heard("My name is Tom.", "My name is Tom."), "diarize": diarized(["S1", "S2"])}
    found = named(run(stage_work(tmp_path, "names", outputs)))
    assert found.names == {}


def test_without_speakers_there_are_no_names(tmp_path: Path) -> None:
    assert isinstance(run(stage_work(tmp_path, "names", {"transcribe": TALK})), Skipped)
