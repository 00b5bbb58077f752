"""The guard of forward passes: what it takes for a hang, and what not."""

from stages.asr.pass_guard import LOOK_S, PassGuard, RunningPass, cpu_wait_s


class GuardBench:
    """A guard on a clock, and on a waiting for the CPU, that a test moves."""

    def __init__(self) -> None:
        self.now = self.waited = 0.0
        self.hung: list[float] = []
        self.guard = PassGuard(self._note, lambda: self.now, lambda: self.waited)

    def _note(self, running: RunningPass) -> None:
        self.hung.append(round(running.age, 3))

    def look_for(self, seconds: float, *, waiting: float = 0.0) -> None:
        """Look as the guard's thread does; the process waits for a CPU for that share of the time."""
        for _ in range(round(seconds / LOOK_S)):
            self.now += LOOK_S
            self.waited += waiting * LOOK_S
            self.guard.look()


def test_a_pass_that_is_older_than_its_bound_hangs_and_is_told_once() -> None:
    bench = GuardBench()
    with bench.guard.watch(1.0):
        bench.look_for(1.0)
        assert (bench.hung, round(bench.guard.age, 3)) == ([], 1.0)
        bench.look_for(3.0)
    assert bench.hung == [1.1]
    assert bench.guard.age == 0.0


def test_a_pass_that_ends_in_time_is_none_and_its_age_is_exact() -> None:
    bench = GuardBench()
    with bench.guard.watch(1.0) as running:
        bench.look_for(0.5)
        bench.now += 0.03
    bench.look_for(5.0)
    assert (bench.hung, round(running.age, 3)) == ([], 0.53)


def test_a_machine_that_is_busy_is_no_hang() -> None:
    bench = GuardBench()
    with bench.guard.watch(1.0):
        bench.look_for(3.5, waiting=0.75)
        assert (bench.hung, round(bench.guard.age, 3)) == ([], 0.875)


def test_a_process_that_was_stopped_for_a_while_did_not_hang() -> None:
    bench = GuardBench()
    with bench.guard.watch(1.0):
        bench.look_for(0.5)
        bench.now += 60.0
        bench.guard.look()
    assert bench.hung == []


def test_the_kernel_says_how_long_this_thread_waited() -> None:
    assert 0.0 <= cpu_wait_s() <= cpu_wait_s()
