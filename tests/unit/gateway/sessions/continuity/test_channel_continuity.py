"""A session of separate channels that moves to another worker: each channel goes on where it was."""

from broker.checkpoint_record import ContinuityState, decode_checkpoint
from dalston_realtime.protocol.events import (
    Event,
    Final,
    Partial,
    SessionBegin,
    SessionEnd,
    SpeechEnd,
    SpeechStart,
)
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.state import SessionState
from runtime.worker_link import PREROLL_S, Progress, WorkerMessage

LEFT, RIGHT = 0, 1
APART = SessionConfig(channels=2, channel_mode="separate")


def said(channel: int, number: int, text: str, at: float, until: float) -> list[WorkerMessage]:
    """An utterance from its begin to its final."""
    return [
        SpeechStart(timestamp=at, channel=channel),
        SpeechEnd(timestamp=until, channel=channel),
        Final(utterance=number, text=text, start=at - PREROLL_S, end=until, channel=channel),
    ]


def told(*events: WorkerMessage) -> SessionState:
    state = SessionState.new("s", APART)
    for event in (SessionBegin(session_id="link"), *events):
        state.continuity.translate(event)
    return state


BOTH = [*said(LEFT, 1, "Left one.", 1.0, 3.008), *said(RIGHT, 1, "Right one.", 1.0, 2.016)]
GROWS: list[WorkerMessage] = [
    SpeechStart(timestamp=2.5, channel=RIGHT),
    Partial(utterance=2, text="and then", stable=3, start=2.5 - PREROLL_S, channel=RIGHT),
]


def test_each_channel_goes_on_behind_its_own_last_final() -> None:
    start = told(*BOTH, *GROWS).continuity.start_replay()
    (right,) = start.others
    assert (start.utterance, start.previous_words, start.partial_shown) == (2, ("Left", "one."), False)
    assert (right.utterance, right.previous_words, right.partial_shown) == (2, ("Right", "one."), True)
    assert right.stable_words == ("and",)
    assert start.at == 3.008
    assert start.audio_at == right.at == 2.016

    point = start.resume_point(round(2.016 * 16_000), 80_000)
    assert (point.clock, point.others[0].clock) == (round(3.008 * 16_000), round(2.016 * 16_000))
    assert point.replayed == point.others[0].replayed == 80_000


def test_no_audio_goes_that_a_channel_still_needs() -> None:
    continuity = told(*BOTH, *GROWS).continuity
    assert continuity.replay_from <= 2.5 - PREROLL_S
    continuity.translate(Progress(processed=5.0))
    assert continuity.state.others[0].processed == 5.0


def test_what_a_channel_has_said_is_not_said_again_by_the_next_worker() -> None:
    continuity = told(*BOTH, *GROWS).continuity
    continuity.start_replay()
    again: list[Event] = [
        SpeechStart(timestamp=2.5, channel=RIGHT),
        SpeechStart(timestamp=4.0, channel=LEFT),
        SpeechEnd(timestamp=4.5, channel=RIGHT),
    ]
    assert [continuity.translate(event) for event in again] == [None, again[1], again[2]]


def test_the_end_joins_the_finals_of_all_workers_and_channels_in_order_of_time() -> None:
    state = told(*BOTH)
    state.snapshot()
    found = SessionState.restore("s", decode_checkpoint(state.changes.fields), 0.0)
    found.continuity.start_replay()
    for event in said(RIGHT, 2, "Right two.", 4.0, 5.0):
        found.continuity.translate(event)
    end = found.continuity.translate(SessionEnd(transcript="Right two.", speech_duration=1.0))
    assert isinstance(end, SessionEnd)
    assert end.transcript == "Left one. Right one. Right two."
    assert [(s.channel, s.utterance) for s in end.segments or ()] == [(0, 1), (1, 1), (1, 2)]
    assert end.speech_duration == round(2.008 + 1.016 + 1.0, 3)


def test_a_state_of_mixed_channels_has_no_others() -> None:
    assert SessionState.new("s", SessionConfig(channels=2)).continuity.snapshot() == ContinuityState()
