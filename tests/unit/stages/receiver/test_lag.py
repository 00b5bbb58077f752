"""Lag: who sends faster than real time is slowed down, who speaks live to a slow pipeline is warned."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.audio import SAMPLE_RATE
from stages.receiver.lag import CREDIT, Lag, LagLimits, LagVerdict

CHUNK = SAMPLE_RATE // 10
TICK = 0.01  # s
LIMITS = LagLimits()


@dataclass
class World:
    """A client, its socket, the receiver's reader and a pipeline, on a clock that is driven by hand."""

    speed: Callable[[float], float]  # of the pipeline against real time
    live: bool  # the client speaks; else it sends a file as fast as it is taken
    lag: Lag = field(default_factory=Lag)
    now: float = 0.0
    held_since: float | None = None
    verdicts: list[tuple[float, LagVerdict]] = field(default_factory=list)

    def run(self, seconds: float) -> Counter[LagVerdict]:
        """What was judged in so many seconds."""
        until, before = self.now + seconds, len(self.verdicts)
        done = float(self.lag.processed)
        while self.now < until:
            self.now += TICK
            done = min(done + self.speed(self.now) * TICK * SAMPLE_RATE, self.lag.received)
            self.lag.processed = int(done)
            self.read()
        return Counter(verdict for _, verdict in self.verdicts[before:])

    def read(self) -> None:
        waited = True
        while self.lag.received + CHUNK <= self.sent():
            if not self.lag.has_credit:
                self.held_since = self.now if self.held_since is None else self.held_since
                self.judge(self.now - self.held_since)
                return
            held = 0.0 if self.held_since is None else self.now - self.held_since
            self.lag.on_read(CHUNK, held, waited_s=CHUNK / SAMPLE_RATE if waited and held == 0.0 else 0.0)
            self.held_since, waited = None, False
            self.judge(0.0)

    def sent(self) -> float:
        return self.now * SAMPLE_RATE if self.live else float("inf")

    def judge(self, held: float) -> None:
        self.verdicts.append((self.now, self.lag.assess(self.now, held)))

    def first(self, verdict: LagVerdict) -> float:
        return next(at for at, v in self.verdicts if v == verdict)


@pytest.mark.parametrize("speed", [1.5, 2.0, 10.0, 100.0])
@pytest.mark.parametrize("live", [True, False], ids=["live", "file"])
def test_nobody_is_warned_while_the_pipeline_is_faster_than_real_time(speed: float, live: bool) -> None:
    world = World(lambda _: speed, live)
    assert set(world.run(60)) == {"fine"}
    assert world.lag.received - world.lag.processed < CREDIT + CHUNK


def test_a_file_is_read_at_the_speed_of_the_pipeline() -> None:
    world = World(lambda _: 8.0, live=False)
    world.run(10)
    assert world.lag.received / SAMPLE_RATE == pytest.approx(80 + CREDIT / SAMPLE_RATE, abs=1)


def test_a_live_client_of_a_slow_pipeline_is_warned_and_then_ended() -> None:
    world = World(lambda _: 0.5, live=True)
    seen = world.run(20)
    assert seen["exceeded"] > 0
    assert world.first("warn") == pytest.approx(2 * LIMITS.warn, abs=0.5)  # it loses half a second a second
    assert world.first("exceeded") == pytest.approx(2 * LIMITS.end + LIMITS.end_after, abs=0.6)


def test_warnings_come_once_a_second() -> None:
    world = World(lambda _: 0.5, live=True)
    world.run(11)
    warned = [at for at, verdict in world.verdicts if verdict == "warn"]
    assert len(warned) >= 4
    assert all(1.0 - 1e-9 <= b - a < 1.3 for a, b in pairwise(warned))


def test_the_lag_is_what_it_is_while_the_socket_is_not_read() -> None:
    world = World(lambda now: 0.0 if now > 5 else 2.0, live=True)
    world.run(9)
    held = world.now - (world.held_since or 0.0)
    assert world.lag.seconds(held) == pytest.approx(4, abs=0.3)


def test_a_stall_that_ends_in_time_is_forgiven() -> None:
    world = World(lambda now: 0.0 if 5 < now < 9.5 else 10.0, live=True)
    seen = world.run(12)
    assert seen["warn"] >= 1
    assert seen["exceeded"] == 0
    assert world.lag.seconds() < 0.5
    assert set(world.run(60)) == {"fine"}


def passes(seconds: float) -> Callable[[float], float]:
    """A pipeline that stands still for `seconds` of a forward pass, and then has dealt with all it had."""
    return lambda now: 0.0 if now % seconds < seconds - TICK else 1_000.0


def test_a_file_is_not_late_because_a_forward_pass_takes_long() -> None:
    world = World(passes(1.5), live=False)
    assert set(world.run(60)) == {"fine"}


def test_who_speaks_live_has_no_lead() -> None:
    world = World(lambda _: 10.0, live=True)
    world.run(20)
    assert world.lag.lead < 0.2


def test_a_lead_is_used_up_by_waiting_for_the_client() -> None:
    lag = Lag(lead=3.0)
    for _ in range(10):
        lag.on_read(CHUNK, 0.0, waited_s=0.1)
    assert lag.lead == pytest.approx(2.0)
    assert lag.seconds(1.5) == pytest.approx(lag.received / SAMPLE_RATE)
    assert lag.seconds(3.0) == pytest.approx(lag.received / SAMPLE_RATE + 1.0)


def test_the_limit_must_be_exceeded_for_a_while() -> None:
    lag = Lag(received=int(LIMITS.end * SAMPLE_RATE))
    assert [lag.assess(now) for now in (0.0, 0.5, 1.99)] == ["warn", "fine", "warn"]
    lag.processed = lag.received
    assert lag.assess(1.995) == "fine"
    lag.processed = 0
    assert [lag.assess(now) for now in (2.0, 3.99, 4.0)] == ["fine", "warn", "exceeded"]


def test_audio_in_seconds() -> None:
    assert Lag(received=24_000).audio_s == 1.5


def test_a_socket_with_nothing_waiting_owes_nothing() -> None:
    lag = Lag()
    lag.on_read(CHUNK, 3.0, waited_s=0.0)
    assert lag.debt == pytest.approx(2.9)
    lag.on_read(CHUNK, 0.0, waited_s=0.1)
    assert lag.debt == 0.0


@given(st.lists(st.tuples(st.integers(0, SAMPLE_RATE), st.floats(0, 10), st.booleans()), max_size=30))
def test_a_lag_is_never_less_than_what_is_in_the_pipeline(reads: list[tuple[int, float, bool]]) -> None:
    lag = Lag()
    for samples, held, waited in reads:
        lag.on_read(samples, held, waited_s=0.1 if waited else 0.0)
        assert lag.debt >= 0
        assert 0 <= lag.lead <= LIMITS.lead
        assert lag.seconds() >= (lag.received - lag.processed) / SAMPLE_RATE
        lag.processed = lag.received // 2
