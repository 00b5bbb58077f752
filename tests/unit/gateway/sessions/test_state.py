"""A session as a checkpoint: what another gateway finds is what the first one left."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.checkpoint_record import (
    HEADER,
    VERSION,
    BadCheckpoint,
    UnknownCheckpointVersion,
    decode_checkpoint,
)
from dalston_realtime.protocol.events import Final, SessionBegin
from dalston_realtime.protocol.parameters import MinSilence, SessionConfig
from gateway.sessions.state import SessionState


def noon() -> float:
    """A clock that stands."""
    return 43_200.0


def left(config: SessionConfig, clock: Callable[[], float] = noon) -> SessionState:
    """The state of a session in the middle of it."""
    state = SessionState.new("s", config, clock)
    state.continuity.translate(SessionBegin(session_id="s"))
    state.continuity.translate(Final(text="One.", utterance=1, start=0.0, end=1.0))
    state.replay.store_audio(bytes(3_200))
    state.replay.store_control('{"type":"flush","id":"f"}')
    state.replay.messages = 1
    state.events.append(SessionBegin(session_id="s"))
    state.snapshot()
    return state


@pytest.mark.parametrize("silence", [700, "auto"])
def test_a_session_that_another_gateway_takes_over_is_the_same(silence: MinSilence) -> None:
    state = left(SessionConfig(min_silence_ms=silence, vocabulary=("a b",), overflow="queue"))
    again = SessionState.restore("s", decode_checkpoint({**state.changes.fields, "owner": b"x"}), 0.0, noon)
    again.snapshot()
    assert again.requested == state.requested
    assert again.changes.fields == state.changes.fields
    assert again.continuity.state == state.continuity.state


def test_its_age_is_that_over_all_workers_and_gateways() -> None:
    times = iter([0.0, 10.0, 12.5, 14.0])  # The gateway has it, it begins, and is saved and moved.
    state = left(SessionConfig(), lambda: next(times))
    assert state.continuity.start_replay().resume_point(0, 0).age == 4.0
    fields = state.changes.fields
    later = iter([100.0, 103.0])
    again = SessionState.restore("s", decode_checkpoint(fields), 0.0, lambda: next(later))
    assert again.continuity.age == 5.5


def test_a_session_that_no_worker_has_begun_has_no_age() -> None:
    times = iter([0.0, 20.0])
    state = SessionState.new("s", SessionConfig(), lambda: next(times))
    assert state.continuity.start_replay().age == 0.0


def test_a_field_that_is_not_known_is_ignored() -> None:
    fields = dict(left(SessionConfig()).changes.fields)
    header = fields[HEADER].replace(b'"messages":', b'"later":{"x":[1]},"messages":')
    again = SessionState.restore("s", decode_checkpoint(fields | {HEADER: header, "z9": b"?"}), 0.0)
    assert again.replay.messages == 1


@pytest.mark.parametrize("version", [0, VERSION - 1, VERSION + 1, 99])
def test_another_version_is_refused(version: int) -> None:
    fields = dict(left(SessionConfig()).changes.fields)
    fields[HEADER] = fields[HEADER].replace(b'"version":%d' % VERSION, b'"version":%d' % version)
    with pytest.raises(UnknownCheckpointVersion, match=str(version)):
        SessionState.restore("s", decode_checkpoint(fields), 0.0)


@given(st.data())
def test_a_checkpoint_that_is_cut_off_anywhere_is_refused_or_read(data: st.DataObject) -> None:
    fields = dict(left(SessionConfig()).changes.fields)
    name = data.draw(st.sampled_from(sorted(fields)))
    fields[name] = fields[name][: data.draw(st.integers(0, len(fields[name]) - 1))]
    try:
        SessionState.restore("s", decode_checkpoint(fields), 0.0)
    except BadCheckpoint:
        return
    assert name[0] in "ac"  # Audio of any length is audio, and the worker answers what is no command.
