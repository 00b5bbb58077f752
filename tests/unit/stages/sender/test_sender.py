"""The sender: frames in order, partials dropped only where something newer overtakes them, timing."""

from collections.abc import Callable, Iterable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.events import Event, Final, Partial, SessionEnd, SpeechEnd, SpeechStart
from dalston_realtime.protocol.timing import WORKER_STEPS
from stages.channels import Packet
from stages.messages import AudioProcessed, Frame, Message, SessionFailed
from stages.sender.stage import SenderStage, timing
from tests.support.builders import ROUTE, close, event, opened, text_end
from tests.support.play import ManualClock, Moment, at_once, play


def frames(said: Iterable[Packet]) -> list[dict[str, object]]:
    return [orjson.loads(payload) for message, payload in said if isinstance(message, Frame)]


def send(*history: Message | Packet) -> list[Packet]:
    return play(SenderStage(ManualClock()), at_once(*history))


EVENTS: dict[str, Callable[[int], Event]] = {
    "transcript.partial": lambda number: Partial(text=str(number)),
    "transcript.final": lambda number: Final(text=str(number)),
    "vad.speech_start": lambda number: SpeechStart(timestamp=number),
    "vad.speech_end": lambda number: SpeechEnd(timestamp=number),
    "session.end": lambda number: SessionEnd(transcript=str(number)),
}
"""An event of each type, with a number in one of its fields."""


def numbered(kind: str, number: int, session: str = "s") -> Packet:
    return event(EVENTS[kind](number), session)


def partial(number: int, session: str = "s") -> Packet:
    return numbered("transcript.partial", number, session)


def final(number: int, session: str = "s") -> Packet:
    return numbered("transcript.final", number, session)


def number_in(payload: bytes) -> int:
    fields = orjson.loads(payload)
    return int(next(fields[name] for name in ("text", "timestamp", "transcript") if name in fields))


def numbers(said: Iterable[Packet]) -> list[int]:
    return [number_in(payload) for message, payload in said if isinstance(message, Frame)]


def test_an_event_is_a_frame_of_the_same_json() -> None:
    packet = event(SpeechStart(timestamp=1.5))
    ((message, payload),) = send(packet)
    assert message == Frame("s", "vad.speech_start")
    assert payload == packet[1] == b'{"type":"vad.speech_start","timestamp":1.5}'


@pytest.mark.parametrize(
    ("history", "sent"),
    [
        ([partial(1)], [1]),
        ([partial(1), partial(2)], [2]),
        ([partial(1), final(2)], [2]),
        ([partial(1), partial(2), final(3), partial(4)], [3, 4]),
        ([final(1), final(2)], [1, 2]),
        ([partial(1), numbered("vad.speech_end", 2), final(3)], [1, 2, 3]),
        ([partial(1), numbered("vad.speech_end", 2), partial(3)], [1, 2, 3]),
        ([partial(1, "a"), partial(2, "b"), final(3, "a")], [3, 2]),
        ([partial(1), numbered("session.end", 2)], [1, 2]),
        ([partial(1), close()], []),
    ],
)
def test_a_partial_that_is_overtaken_in_the_queue_is_dropped(history: list[Packet], sent: list[int]) -> None:
    assert numbers(send(*history)) == sent


def test_a_partial_that_nothing_overtakes_is_sent_at_once() -> None:
    history: list[Moment] = [(float(k), partial(k)) for k in range(4)]
    assert numbers(play(SenderStage(ManualClock()), history)) == [0, 1, 2, 3]


def test_a_session_that_failed_is_told_why_behind_what_it_was_told_before() -> None:
    failed = SessionFailed("s", ROUTE, "no_capacity", "no model")
    said = send(partial(1), failed)
    assert frames(said)[1] == {
        "type": "error",
        "code": "no_capacity",
        "message": "no model",
        "recoverable": False,
    }
    assert said[-1] == (failed, b"")


def test_a_failure_without_a_close_code_is_internal() -> None:
    assert frames(send(SessionFailed("s", ROUTE, "strange", "why")))[0]["code"] == "internal"


def test_progress_goes_on_to_the_receiver() -> None:
    for message in (AudioProcessed("s", ROUTE, 7), text_end(7)):
        assert send(message) == [(message, b"")]


kinds = st.sampled_from(["transcript.partial", "transcript.final", "vad.speech_start", "session.end"])


@given(st.lists(st.tuples(st.integers(0, 3), kinds, st.sampled_from("ab")), max_size=40))
def test_nothing_but_overtaken_partials_is_ever_dropped(events: list[tuple[int, str, str]]) -> None:
    history, now = list[Moment](), 0.0
    for number, (wait, kind, session) in enumerate(events):
        now += wait // 3  # most come together
        history.append((now, numbered(kind, number, session)))
    said = play(SenderStage(ManualClock()), history)
    for session in "ab":
        asked = [(kind, number) for number, (_, kind, to) in enumerate(events) if to == session]
        sent = [number_in(p) for m, p in said if isinstance(m, Frame) and m.session == session]
        assert sent == sorted(sent)
        for this, after in zip(asked, [*asked[1:], None], strict=False):
            if this[1] in sent:
                continue
            assert this[0] == "transcript.partial"
            assert after is not None
            assert after[0] in ("transcript.partial", "transcript.final")


MS = 1_000_000
STAMPS = tuple(t * MS for t in (100, 101, 103, 106, 110, 145, 146, 148, 151))  # receiver in ... sender in


def test_the_time_of_a_result_is_split_into_its_steps() -> None:
    times = timing((*STAMPS, 155 * MS), 30 * MS)
    assert times == {
        "receiver": 1.0,
        "vad_queue": 2.0,
        "vad": 3.0,
        "asr_queue": 9.0,  # 4 on the way, 5 until the engine was free
        "asr": 30.0,
        "assembler_queue": 1.0,
        "assembler": 2.0,
        "sender_queue": 3.0,
        "sender": 4.0,
        "total": 55.0,
    }


@given(st.lists(st.integers(0, 10**9), min_size=10, max_size=10).map(sorted), st.integers(0, 10**9))
def test_the_steps_add_up_to_the_total(stamps: list[int], inference_ns: int) -> None:
    times = timing(tuple(stamps), min(inference_ns, stamps[5] - stamps[4]))
    assert set(times) == {*WORKER_STEPS, "total"}
    assert all(ms >= 0 for ms in times.values())
    assert sum(times[step] for step in WORKER_STEPS) == pytest.approx(times["total"], abs=0.01)


@pytest.mark.parametrize("stamps", [(), (1, 2), tuple(range(9)), tuple(range(11))])
def test_a_result_that_was_not_stamped_everywhere_has_no_timing(stamps: tuple[int, ...]) -> None:
    assert timing(stamps, 0) == {}


@pytest.mark.parametrize("wanted", [True, False])
def test_timing_is_the_clients_choice(wanted: bool) -> None:
    clock = ManualClock()
    clock.now = 155 * MS
    result = event(Final(text="a"), stamps=STAMPS[:-1], inference_ns=30 * MS, endpoint_wait=300.0)
    (frame,) = frames(play(SenderStage(clock), at_once(opened(timing=wanted), result), clock))
    assert frame["text"] == "a"
    assert "endpoint_wait" not in frame
    if wanted:
        assert isinstance(frame["timing"], dict)
        assert frame["timing"]["endpoint_wait"] == 300.0
        assert frame["timing"]["asr"] == 30.0
    else:
        assert "timing" not in frame


def test_a_session_that_is_over_is_forgotten() -> None:
    stage = SenderStage(ManualClock())
    play(stage, at_once(opened(timing=True), partial(1), close()))
    assert not stage.busy
    assert stage._timed == set()
    assert stage._partials == {}
