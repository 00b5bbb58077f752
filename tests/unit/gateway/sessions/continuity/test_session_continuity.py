"""A session told by several workers: the client sees one story, whenever a worker is lost."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sessions.change_set import ChangeSet
from gateway.sessions.continuity.session_continuity import WINDOW_S, ContinuityState, SessionContinuity

Event = dict[str, Any]


def start(at: float) -> Event:
    return {"type": "vad.speech_start", "timestamp": at}


def end(at: float) -> Event:
    return {"type": "vad.speech_end", "timestamp": at}


def partial(utterance: int, text: str, at: float, stable: int = 0) -> Event:
    return {"type": "transcript.partial", "utterance": utterance, "text": text, "stable": stable, "start": at}


def final(utterance: int, text: str, at: float, until: float) -> Event:
    return {"type": "transcript.final", "utterance": utterance, "text": text, "start": at, "end": until}


def told(*events: Event) -> SessionContinuity:
    """A story after these events of its first worker."""
    story = SessionContinuity("s", ChangeSet())
    for event in ({"type": "session.begin", "session_id": "link"}, *events):
        story.take(event)
    return story


FIRST = (start(1.0), end(2.048), final(1, "One.", 0.75, 2.048))


def test_the_client_sees_its_own_session_id_and_one_begin() -> None:
    story = SessionContinuity("s", ChangeSet())
    assert story.take({"type": "session.begin", "session_id": "s.1"}) == {
        "type": "session.begin",
        "session_id": "s",
    }
    story.seam()
    assert story.take({"type": "session.begin", "session_id": "s.2"}) is None


def test_another_worker_goes_on_behind_the_last_final() -> None:
    seam = told(*FIRST).seam()
    assert seam.at == pytest.approx(2.048)
    assert (seam.utterance, seam.before, seam.overlaps, seam.shown) == (2, ("One.",), False, False)


def test_what_the_client_was_promised_of_an_utterance_goes_to_the_next_worker() -> None:
    seam = told(*FIRST, start(5.0), partial(2, "it was the best", 4.744, stable=6)).seam()
    assert (seam.frozen, seam.shown) == (("it", "was"), True)
    assert 4.744 - 0.5 - WINDOW_S <= seam.at <= 4.744 - 0.5


def test_speech_without_a_partial_is_found_by_its_start() -> None:
    seam = told(*FIRST, start(9.0)).seam()
    assert 9.0 - 0.8 < seam.at < 9.0 - 0.5


def test_an_utterance_whose_final_is_late_is_not_lost_for_the_next_one() -> None:
    seam = told(*FIRST, start(5.0), end(6.0), start(6.5)).seam()
    assert seam.at < 4.744


def test_behind_a_cut_the_next_utterance_is_heard_from_where_it_began() -> None:
    story = told(start(1.0), final(1, "and so on and on", 0.75, 10.0))
    seam = story.seam()
    assert (seam.overlaps, seam.before) == (True, ("and", "so", "on", "and", "on"))
    assert 10.0 - 1.25 <= seam.at <= 10.0 - 1.2
    story = told(start(1.0), final(1, "and so on and on", 0.75, 10.0), partial(2, "on", 9.312))
    assert story.seam().at == pytest.approx(9.312, abs=WINDOW_S)


STALLED = (start(1.0), end(5.0), final(1, "and so on and on", 0.75, 5.0))


def test_speech_behind_a_cut_is_heard_however_far_the_vad_is() -> None:
    seam = told(start(0.5), end(13.4), start(14.6), final(1, "and so on", 0.25, 9.5)).seam()
    assert seam.overlaps
    assert 9.5 - 1.3 <= seam.at <= 9.5


def test_the_words_before_a_seam_may_be_of_several_finals() -> None:
    seam = told(start(0.5), final(1, "we hold these", 0.25, 9.5), final(2, "truths", 8.4, 9.9)).seam()
    assert (seam.overlaps, seam.before) == (True, ("we", "hold", "these", "truths"))


def test_speech_that_went_on_behind_a_stall_is_heard_from_before_it() -> None:
    seam = told(*STALLED, start(5.0)).seam()
    assert (seam.overlaps, seam.before) == (True, ("and", "so", "on", "and", "on"))
    assert 5.0 - 1.25 <= seam.at <= 5.0 - 1.2
    seam = told(*STALLED, start(5.0), partial(2, "on and", 4.2)).seam()
    assert seam.overlaps
    assert seam.at == pytest.approx(4.2, abs=WINDOW_S)


def test_behind_a_stall_what_the_next_utterance_may_overlap_is_kept() -> None:
    story = told(*STALLED)
    assert story.settled == pytest.approx(3.8)
    assert story.seam().at == pytest.approx(5.0)  # nothing more was said: nothing is heard again


def test_in_long_silence_nothing_is_kept_but_the_longest_utterance() -> None:
    story = told(*FIRST, {"type": "progress", "processed": 100.0})
    assert story.settled == pytest.approx(69.0)


def test_speech_that_the_client_has_seen_is_not_said_again() -> None:
    story = told(*FIRST, start(5.0))
    story.seam()
    assert story.take(start(5.024)) is None
    assert story.take(end(6.0)) == end(6.0)
    story.seam()
    assert [story.take(e) for e in (start(5.0), end(6.0), start(8.0))] == [None, None, start(8.0)]


def test_an_end_that_belongs_to_speech_before_the_one_that_is_seen_is_not_said() -> None:
    story = told(*FIRST, start(5.0), end(6.0), start(6.5))
    story.seam()
    events = [start(5.0), end(6.0), start(6.5), end(7.5)]
    assert [story.take(e) for e in events] == [None, None, None, end(7.5)]


def test_the_end_of_a_session_is_completed_by_what_other_workers_said() -> None:
    story = told(*FIRST, start(5.0))
    story.seam()
    for event in (start(5.0), end(6.0), final(2, "Two.", 4.744, 6.0)):
        story.take(event)
    ended = story.take({"type": "session.end", "transcript": "Two.", "speech_duration": 1.0, "segments": []})
    assert ended is not None
    assert ended["transcript"] == "One. Two."
    assert [segment["utterance"] for segment in ended["segments"]] == [1, 2]
    assert ended["speech_duration"] == pytest.approx(2.048)


def test_audio_that_costs_worker_after_worker_is_counted() -> None:
    story = told(*FIRST)
    for losses in (1, 2, 3):
        story.seam()
        assert story.known.losses == losses
    story.take(start(5.0))
    story.take(final(2, "Two.", 4.744, 6.0))
    story.seam()
    assert story.known.losses == 1
    story.seam(blame=False)
    assert story.known.losses == 1


def utterances(count: int) -> list[list[Event]]:
    """The events of a speaker with a pause after each word."""
    said = []
    for n in range(1, count + 1):
        at = 2.0 * n
        said.append(
            [
                start(at),
                partial(n, f"w{n}", at - 0.256),
                end(at + 0.96),
                final(n, f"w{n}", at - 0.256, at + 0.96),
            ]
        )
    return said


@given(st.integers(1, 6), st.lists(st.integers(0, 23), max_size=4))
def test_wherever_workers_are_lost_the_client_hears_each_word_once(count: int, losses: list[int]) -> None:
    """A worker that begins at a seam says all that lies behind it, from its beginning."""
    said, seen, ledger = utterances(count), [], ChangeSet()
    story = SessionContinuity("s", ledger)
    left = [e for events in said for e in events]
    for lost_after in [*losses, 10_000]:
        for event in left[:lost_after]:
            if (shown := story.take(event)) is not None:
                seen.append(shown)
        if lost_after < 10_000:
            seam = story.seam()
            story = SessionContinuity("s", ledger, ContinuityState(**orjson.loads(orjson.dumps(story.known))))
            left = [e for events in said if events[0]["timestamp"] + 0.96 > seam.at for e in events]
            assert not left or left[1]["utterance"] == seam.utterance
    assert [e["text"] for e in seen if e["type"] == "transcript.final"] == [
        f"w{n}" for n in range(1, count + 1)
    ]
    vad = [e for e in seen if e["type"].startswith("vad")]
    assert [e["timestamp"] for e in vad] == sorted({e["timestamp"] for e in vad})
    assert len(vad) == 2 * count
