"""What a client sends in a flood: it is not read while too much of it waits for a worker or an answer."""

import asyncio
from collections.abc import Callable
from functools import partial

from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.continuity.session_continuity import SessionContinuity
from gateway.sessions.replay.audio_feeder import AudioFeeder, FeedLimits
from gateway.sessions.replay.replay_buffer import LIMIT_BYTES, ReplayBuffer

LIMITS = FeedLimits()


def taken(frame: bytes | str, count: int, then: Callable[[ReplayBuffer], None]) -> tuple[int, int]:
    """How many of `count` messages a session without a worker takes; and how many after `then` as well."""

    async def main() -> tuple[int, int]:
        changes = ChangeSet()
        log = ReplayBuffer(SessionConfig(), changes)
        feeder = AudioFeeder(log, SessionContinuity("s", changes), LIMITS)
        numbers: list[int] = []

        async def speak() -> None:
            for _ in range(count):
                if isinstance(frame, str):
                    await feeder.feed_control(partial(log.store_control, frame))
                else:
                    await feeder.feed_audio(frame)
                numbers.append(log.entries.next)

        speaking = asyncio.create_task(speak())
        await asyncio.sleep(0)
        first = len(numbers)
        then(log)
        feeder.wake()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        speaking.cancel()
        return first, len(numbers)

    return asyncio.run(main())


def test_messages_that_no_worker_takes_are_bounded() -> None:
    assert taken("x", 1_000, lambda log: log.entries.mark_sent(0)) == (
        LIMITS.unsent_controls,
        LIMITS.unsent_controls + 1,
    )


def test_audio_in_single_samples_is_bounded_by_frames() -> None:
    taken_at_once, after = taken(b"\0\0", 10_000, lambda log: None)
    assert taken_at_once == after == LIMITS.unsent_frames


def test_changes_of_the_settings_are_one_message() -> None:
    config = '{"type":"config","language":"en"}'
    assert taken(config, 1_000, lambda log: None) == (1_000, 1_000)


def test_flushes_that_are_not_answered_are_bounded() -> None:
    def answered(log: ReplayBuffer) -> None:
        log.entries.flush_answered("a")

    def all_sent(log: ReplayBuffer) -> None:
        for number in range(log.entries.next):
            log.entries.mark_sent(number)

    flush = '{"type":"flush","id":"a"}'
    assert taken(flush, 1_000, all_sent) == (LIMITS.unsent_controls, 2 * LIMITS.unsent_controls)
    assert LIMITS.open_flushes == 2 * LIMITS.unsent_controls
    assert taken(flush, 1_000, answered) == (LIMITS.unsent_controls, LIMITS.unsent_controls + 1)


def test_less_waits_for_a_worker_than_the_replay_buffer_keeps_whatever_the_format() -> None:
    limits = LIMITS.at_rate(192_000 * 8 * 4)
    assert limits.in_flight + limits.unsent_at_first < LIMIT_BYTES / (192_000 * 8 * 4)
    assert LIMITS.at_rate(32_000) == LIMITS
