"""A stage process that is silent is missed after a second in which the receiver could have heard it."""

from stages.receiver.heartbeat_watch import LOOK_S, SILENT_S, HeartbeatWatch


class LookingWatch:
    """A watch of two processes that is looked at in time, on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watch = HeartbeatWatch(["vad.1", "asr.1"], lambda: self.now)

    def pass_time(self, seconds: float, *heard: str) -> list[str]:
        """Look in time for so long, while these send heartbeats; who is missing then."""
        for _ in range(round(seconds / LOOK_S)):
            self.now += LOOK_S
            for name in heard:
                self.watch.on_heartbeat(name)
            self.watch.look()
        return self.watch.missing()


def test_a_process_is_missing_until_its_first_heartbeat() -> None:
    watch = LookingWatch()
    assert watch.pass_time(60) == ["vad.1", "asr.1"]
    assert watch.pass_time(LOOK_S, "asr.1") == ["vad.1"]


def test_a_process_that_hangs_is_missed_within_a_second_and_a_look() -> None:
    watch = LookingWatch()
    assert watch.pass_time(5, "vad.1", "asr.1") == []
    assert watch.pass_time(SILENT_S - 2 * LOOK_S, "vad.1") == []
    assert watch.pass_time(2 * LOOK_S, "vad.1") == ["asr.1"]
    assert watch.pass_time(LOOK_S, "vad.1", "asr.1") == []


def test_who_did_not_run_itself_misses_nobody() -> None:
    watch = LookingWatch()
    watch.pass_time(1, "vad.1", "asr.1")
    watch.now += 600.0
    assert watch.pass_time(LOOK_S) == []
    assert watch.pass_time(LOOK_S, "vad.1", "asr.1") == []


def test_a_process_that_died_is_missing_at_once() -> None:
    watch = LookingWatch()
    watch.pass_time(1, "vad.1", "asr.1")
    watch.watch.on_death("vad.1")
    assert watch.watch.missing() == ["vad.1"]
