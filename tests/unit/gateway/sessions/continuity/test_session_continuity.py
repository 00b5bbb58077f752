"""A session served by several workers: the client sees one session, whenever a worker is lost."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.checkpoint_record import ContinuityState
from dalston_realtime.protocol.events import (
    Final,
    Partial,
    SessionBegin,
    SessionEnd,
    SpeechEnd,
    SpeechStart,
)
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.continuity.session_continuity import SessionContinuity
from runtime.worker_link import WINDOW_S, Progress, WorkerMessage


def start(at: float) -> SpeechStart:
    return SpeechStart(timestamp=at)


def end(at: float) -> SpeechEnd:
    return SpeechEnd(timestamp=at)


def partial(utterance: int, text: str, at: float, stable: int = 0) -> Partial:
    return Partial(utterance=utterance, text=text, stable=stable, start=at)


def final(utterance: int, text: str, at: float, until: float) -> Final:
    return Final(utterance=utterance, text=text, start=at, end=until)


def told(*events: WorkerMessage) -> SessionContinuity:
    """A session after these events of its first worker."""
    session = SessionContinuity("s", ChangeSet())
    for event in (SessionBegin(session_id="link"), *events):
        session.translate(event)
    return session


FIRST = (start(1.0), end(2.048), final(1, "One.", 0.75, 2.048))


def test_the_client_sees_its_own_session_id_and_one_begin() -> None:
    session = SessionContinuity("s", ChangeSet())
    assert session.translate(SessionBegin(session_id="s.1")) == SessionBegin(session_id="s")
    session.start_replay()
    assert session.translate(SessionBegin(session_id="s.2")) is None


def test_another_worker_goes_on_behind_the_last_final() -> None:
    begin = told(*FIRST).start_replay()
    assert begin.at == pytest.approx(2.048)
    assert (begin.utterance, begin.previous_words, begin.overlaps, begin.partial_shown) == (
        2,
        ("One.",),
        False,
        False,
    )


def test_what_the_client_was_promised_of_an_utterance_goes_to_the_next_worker() -> None:
    begin = told(*FIRST, start(5.0), partial(2, "it was the best", 4.744, stable=6)).start_replay()
    assert (begin.stable_words, begin.partial_shown) == (("it", "was"), True)
    assert 4.744 - 0.5 - WINDOW_S <= begin.at <= 4.744 - 0.5


def test_speech_without_a_partial_is_found_by_its_start() -> None:
    begin = told(*FIRST, start(9.0)).start_replay()
    assert 9.0 - 0.8 < begin.at < 9.0 - 0.5


def test_an_utterance_whose_final_is_late_is_not_lost_for_the_next_one() -> None:
    begin = told(*FIRST, start(5.0), end(6.0), start(6.5)).start_replay()
    assert begin.at < 4.744


def test_behind_a_cut_the_next_utterance_is_heard_from_where_it_began() -> None:
    session = told(start(1.0), final(1, "and so on and on", 0.75, 10.0))
    begin = session.start_replay()
    assert (begin.overlaps, begin.previous_words) == (True, ("and", "so", "on", "and", "on"))
    assert 10.0 - 1.25 <= begin.at <= 10.0 - 1.2
    session = told(start(1.0), final(1, "and so on and on", 0.75, 10.0), partial(2, "on", 9.312))
    assert session.start_replay().at == pytest.approx(9.312, abs=WINDOW_S)


STALLED = (start(1.0), end(5.0), final(1, "and so on and on", 0.75, 5.0))


def test_speech_behind_a_cut_is_heard_however_far_the_vad_is() -> None:
    begin = told(start(0.5), end(13.4), start(14.6), final(1, "and so on", 0.25, 9.5)).start_replay()
    assert begin.overlaps
    assert 9.5 - 1.3 <= begin.at <= 9.5


def test_the_words_before_a_seam_may_be_of_several_finals() -> None:
    begin = told(
        start(0.5), final(1, "we hold these", 0.25, 9.5), final(2, "truths", 8.4, 9.9)
    ).start_replay()
    assert (begin.overlaps, begin.previous_words) == (True, ("we", "hold", "these", "truths"))


def test_speech_that_went_on_behind_a_stall_is_heard_from_before_it() -> None:
    begin = told(*STALLED, start(5.0)).start_replay()
    assert (begin.overlaps, begin.previous_words) == (True, ("and", "so", "on", "and", "on"))
    assert 5.0 - 1.25 <= begin.at <= 5.0 - 1.2
    begin = told(*STALLED, start(5.0), partial(2, "on and", 4.2)).start_replay()
    assert begin.overlaps
    assert begin.at == pytest.approx(4.2, abs=WINDOW_S)


def test_behind_a_stall_what_the_next_utterance_may_overlap_is_kept() -> None:
    session = told(*STALLED)
    assert session.replay_from == pytest.approx(3.8)
    assert session.start_replay().at == pytest.approx(5.0)  # nothing more was said: nothing is heard again


def test_in_long_silence_nothing_is_kept_but_the_longest_utterance() -> None:
    session = told(*FIRST, Progress(processed=100.0))
    assert session.replay_from == pytest.approx(69.0)


def test_speech_that_the_client_has_seen_is_not_said_again() -> None:
    session = told(*FIRST, start(5.0))
    session.start_replay()
    assert session.translate(start(5.024)) is None
    assert session.translate(end(6.0)) == end(6.0)
    session.start_replay()
    assert [session.translate(e) for e in (start(5.0), end(6.0), start(8.0))] == [None, None, start(8.0)]


def test_an_end_that_belongs_to_speech_before_the_one_that_is_seen_is_not_said() -> None:
    session = told(*FIRST, start(5.0), end(6.0), start(6.5))
    session.start_replay()
    events: list[WorkerMessage] = [start(5.0), end(6.0), start(6.5), end(7.5)]
    assert [session.translate(e) for e in events] == [None, None, None, end(7.5)]


def test_the_end_of_a_session_is_completed_by_what_other_workers_said() -> None:
    session = told(*FIRST, start(5.0))
    session.start_replay()
    for event in (start(5.0), end(6.0), final(2, "Two.", 4.744, 6.0)):
        session.translate(event)
    ended = session.translate(SessionEnd(transcript="Two.", speech_duration=1.0, segments=()))
    assert isinstance(ended, SessionEnd)
    assert ended.transcript == "One. Two."
    assert [segment.utterance for segment in ended.segments or ()] == [1, 2]
    assert ended.speech_duration == pytest.approx(2.048)


def test_audio_that_costs_worker_after_worker_is_counted() -> None:
    session = told(*FIRST)
    for losses in (1, 2, 3):
        session.start_replay()
        assert session.state.losses == losses
    session.translate(start(5.0))
    session.translate(final(2, "Two.", 4.744, 6.0))
    session.start_replay()
    assert session.state.losses == 1
    session.start_replay(count_loss=False)
    assert session.state.losses == 1


def utterances(count: int) -> list[tuple[SpeechStart, Partial, SpeechEnd, Final]]:
    """The events of a speaker with a pause after each word."""
    said = []
    for n in range(1, count + 1):
        at = 2.0 * n
        said.append(
            (
                start(at),
                partial(n, f"w{n}", at - 0.256),
                end(at + 0.96),
                final(n, f"w{n}", at - 0.256, at + 0.96),
            )
        )
    return said


def flat(said: Iterable[Iterable[WorkerMessage]]) -> list[WorkerMessage]:
    return [event for events in said for event in events]


@given(st.integers(1, 6), st.lists(st.integers(0, 23), max_size=4))
def test_wherever_workers_are_lost_the_client_hears_each_word_once(count: int, losses: list[int]) -> None:
    """A worker that begins somewhere says all that lies behind it, from its beginning."""
    said, seen, changes = utterances(count), list[WorkerMessage](), ChangeSet()
    session = SessionContinuity("s", changes)
    left = flat(said)
    for lost_after in [*losses, 10_000]:
        for event in left[:lost_after]:
            if (shown := session.translate(event)) is not None:
                seen.append(shown)
        if lost_after < 10_000:
            begin = session.start_replay()
            saved = msgspec.json.decode(msgspec.json.encode(session.state), type=ContinuityState)
            session = SessionContinuity.restore("s", changes, saved, {})
            behind = [events for events in said if events[0].timestamp + 0.96 > begin.at]
            left = flat(behind)
            assert not behind or behind[0][1].utterance == begin.utterance
    assert [e.text for e in seen if isinstance(e, Final)] == [f"w{n}" for n in range(1, count + 1)]
    times = [e.timestamp for e in seen if isinstance(e, SpeechStart | SpeechEnd)]
    assert times == sorted(set(times))
    assert len(times) == 2 * count
