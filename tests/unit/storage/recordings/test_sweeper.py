"""The parts of gateways that are gone are found, and those of gateways that live are left alone."""

from pathlib import Path

import pytest

from storage.recordings import NoRecording, Recordings
from storage.recordings.claims import JoinClaims, JoinedElsewhere
from storage.recordings.layout import new_writer, parts_folder
from storage.recordings.presence import Presence, RecordingTimes
from storage.recordings.session_writer import RecordedSession, SessionWriter
from storage.recordings.sweeper import LOOK_AGAIN_S, LeftRecordings, RecordingSweeper
from storage.recordings.wav import WavFormat
from tests.support.histories import MovedClock

ID = "5" * 32

TIMES = RecordingTimes(silent=12.0, lost=60.0)
NOTHING = LeftRecordings()


class WatchedGateways:
    """One that is gone, one that lives, and one that looks, on a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, MovedClock()
        self.recordings = Recordings(str(folder))
        self.gone, self.living, self.looking = (
            Presence(self.recordings.store, self.clock.monotonic) for _ in range(3)
        )
        self.here: set[str] = set()
        self.sweeper = RecordingSweeper(
            self.recordings, self.looking, TIMES, self.here.__contains__, self.clock.monotonic
        )
        self.gone.beat()

    def look_at(self, seconds: float) -> LeftRecordings:
        """Look at this time; the one that lives has shown itself."""
        self.clock.seconds = seconds
        self.living.beat()
        return self.sweeper.look()

    def record(self, gateway: Presence, *, takeovers: int = 0, ended: bool = False, name: str = ID) -> None:
        """Record a second of a session."""
        form = WavFormat("pcm_s16le", 16_000, 1)
        writer = new_writer(takeovers, gateway.gateway)
        session = RecordedSession(name, writer, form, b'{"type":"recording"}')
        one = SessionWriter(self.folder, session, 60.0, print)
        one.append_audio(0, bytes(32_000))
        one.flush()
        if ended:
            one.close(ended=True)

    def shown(self) -> set[str]:
        """The gateways that have a file."""
        return set(self.recordings.store.sizes("gateways"))


def test_a_session_whose_gateway_is_gone_is_told_until_it_is_lost(tmp_path: Path) -> None:
    gateways = WatchedGateways(tmp_path)
    gateways.record(gateways.gone)
    assert [gateways.look_at(seconds) for seconds in (0.0, 11.0)] == [NOTHING, NOTHING]
    assert gateways.look_at(12.0) == gateways.look_at(59.0) == LeftRecordings(silent=(ID,))
    assert gateways.look_at(60.0) == LeftRecordings(lost=(ID,))


def test_one_that_was_ended_need_not_wait(tmp_path: Path) -> None:
    gateways = WatchedGateways(tmp_path)
    gateways.record(gateways.gone, ended=True)
    assert gateways.look_at(0.0) == NOTHING
    assert gateways.look_at(12.0) == LeftRecordings(over=(ID,))
    gateways.sweeper.settle(ID)
    assert gateways.look_at(100.0) == NOTHING
    assert gateways.look_at(12.0 + LOOK_AGAIN_S) == LeftRecordings(over=(ID,))


def test_what_a_gateway_has_that_lives_is_left_alone(tmp_path: Path) -> None:
    gateways = WatchedGateways(tmp_path)
    gateways.record(gateways.living, name="a" * 32)
    gateways.record(gateways.living, name="b" * 32, ended=True)
    gateways.record(gateways.gone, name="c" * 32)
    gateways.here.add("c" * 32)
    assert [gateways.look_at(10.0 * look) for look in range(20)] == 20 * [NOTHING]


def test_a_session_that_was_taken_over_is_that_of_the_gateway_that_has_it(tmp_path: Path) -> None:
    gateways = WatchedGateways(tmp_path)
    gateways.record(gateways.gone)
    gateways.look_at(0.0)
    gateways.record(gateways.living, takeovers=1)
    assert [gateways.look_at(10.0 * look) for look in range(1, 20)] == 19 * [NOTHING]


def test_a_gateway_that_never_showed_itself_is_gone_as_well(tmp_path: Path) -> None:
    gateways = WatchedGateways(tmp_path)
    gateways.gone.leave()
    gateways.record(gateways.gone)
    assert gateways.look_at(0.0) == NOTHING
    assert gateways.look_at(12.0) == LeftRecordings(silent=(ID,))


def test_a_store_that_was_away_costs_no_gateway_its_life(tmp_path: Path) -> None:
    gateways = WatchedGateways(tmp_path)
    gateways.record(gateways.gone)
    gateways.look_at(0.0)
    gateways.looking.forget()
    assert [gateways.look_at(seconds) for seconds in (20.0, 31.0)] == [NOTHING, NOTHING]
    assert gateways.look_at(32.0) == LeftRecordings(silent=(ID,))


def test_the_file_of_a_gateway_of_which_nothing_is_left_goes(tmp_path: Path) -> None:
    gateways = WatchedGateways(tmp_path)
    gateways.record(gateways.gone)
    gateways.look_at(0.0)
    gateways.look_at(60.0)
    assert gateways.shown() == {gateways.gone.gateway, gateways.living.gateway}
    gateways.recordings.finish(ID, lost=True)
    gateways.look_at(61.0)
    assert gateways.shown() == {gateways.living.gateway}


def test_of_two_gateways_one_joins_a_recording(tmp_path: Path) -> None:
    gateways = WatchedGateways(tmp_path)
    gateways.record(gateways.gone)
    store = gateways.recordings.store
    one, other = (JoinClaims(store, each, TIMES.silent) for each in (gateways.living, gateways.looking))
    with one.held(ID):
        with pytest.raises(JoinedElsewhere), other.held(ID):
            pass
        with one.held(ID):  # It tries again after a store that was away.
            pass
    with other.held(ID):
        pass
    with pytest.raises(NoRecording), one.held("0" * 32):
        pass


def test_the_claim_of_a_gateway_that_is_gone_is_taken(tmp_path: Path) -> None:
    gateways = WatchedGateways(tmp_path)
    gateways.record(gateways.gone)
    store = gateways.recordings.store
    assert store.write_new(f"{parts_folder(ID)}/joining", gateways.gone.gateway.encode())
    claims = JoinClaims(store, gateways.looking, TIMES.silent)
    for seconds in (0.0, 11.0):
        gateways.look_at(seconds)
        with pytest.raises(JoinedElsewhere), claims.held(ID):
            pass
    gateways.look_at(12.0)
    with claims.held(ID):
        assert store.read(f"{parts_folder(ID)}/joining") == gateways.looking.gateway.encode()
