"""Checks the figures of the benchmark of the batch pipeline, without a model."""

from dataclasses import replace

import pytest

from bench.measure.figures import summarize
from bench.measure.process_usage import ProcessUsage
from bench.recordings.conversation import SpokenConversation, join_turns
from bench.recordings.recording import TextRecording
from bench.scenarios.enhance import MINUTES, EnhancePlan
from bench.scenarios.enhanced_beside import LiveBesideJobs, beside_rows
from bench.scenarios.enhanced_names import judge, name_rows
from bench.scenarios.enhanced_words import compared, word_rows
from bench.servers.job_runs import ProgressClock
from dalston_realtime.client.errors import UsageError
from enhancement.segments import DraftSegment

SECOND = bytes(32_000)
ANNA, GUEST = TextRecording("a", SECOND, "red green blue"), TextRecording("g", SECOND, "black white")


def test_the_plan_has_all_parts_or_those_that_are_named() -> None:
    assert EnhancePlan.of(None, None, 10, 1).parts == ("words", "names", "length", "beside")
    assert EnhancePlan.of(["names"], None, 10, 1) == EnhancePlan(("names",), MINUTES, 10, 1)
    with pytest.raises(UsageError, match="none of words"):
        EnhancePlan.of(["word"], None, 10, 1)


def test_errors_of_the_live_and_of_the_enhanced_text_are_summed_up_by_sets() -> None:
    found = [compared("reading", ANNA, "red grey blue", "red green blue")]
    assert word_rows(found)[0] == ["reading", "1", "3", "33.3", "0.0"]


def test_a_guest_who_gets_a_name_is_wrong_and_so_is_an_enrolled_voice_without_one() -> None:
    pcm, turns = join_turns([("Anna", [ANNA]), ("guest", [GUEST]), ("Anna", [ANNA, ANNA])])
    assert [(turn.start, turn.end) for turn in turns] == [(0.0, 1.0), (1.6, 2.6), (3.2, 5.2)]
    talk = SpokenConversation(pcm, turns, {"Anna": ANNA})
    segments = [
        DraftSegment(id=1, start=0.1, end=0.9, text="red green blue", speaker="S1"),
        DraftSegment(id=2, start=1.7, end=2.5, text="black", speaker="S2"),
        DraftSegment(id=3, start=3.3, end=5.1, text="red green blue red green blue", speaker="S1"),
    ]
    found = judge(talk, segments, {"S1": "Anna"}, {"Anna": 0.8})
    assert [turn.right for turn in found.turns] == [True, True, True]
    assert (found.speaker_errors, found.words, found.speakers) == (1, 11, 2)
    assert name_rows(found)[1] == ["2", "guest", "nobody", "2", "1"]
    wrong = judge(talk, segments, {"S2": "Anna"}, {})
    assert [turn.right for turn in wrong.turns] == [False, False, False]


def test_the_longest_time_without_progress_is_known() -> None:
    clock = ProgressClock(0.0)
    for stage, percent, at in (("prepare", 0.0, 1.0), ("prepare", 0.0, 5.0), ("diarize", 50.0, 7.0)):
        clock.note(stage, percent, at)
    assert (clock.longest, clock.stages) == (6.0, {"prepare": 6.0})


def test_jobs_beside_a_session_are_compared_with_none() -> None:
    figures = summarize(1, [], ProcessUsage(1.0, None, None, None, 0.0, 0.5))
    rows = beside_rows(LiveBesideJobs(10, figures, figures, figures))
    assert [row[0] for row in rows] == ["none", "10", "none", "more, %"]
    assert rows[3][1:3] == ["-", "-"]
    quick, slow = replace(figures, final_p50=0.2), replace(figures, final_p50=0.3)
    assert beside_rows(LiveBesideJobs(10, quick, slow, slow))[3][1] == "+20"
