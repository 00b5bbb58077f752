"""How many processes of each stage there are, and which of them a session gets."""

import sys
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import StartupError
from stages.topology import MAX_PROCESSES, STAGES, ProcessAllocator, honcho_concurrency, main, parse_fanout

ONE_EACH = dict.fromkeys(STAGES, 1)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", {}),
        (" , ,", {}),
        ("vad=2", {"vad": 2}),
        ("vad=2,asr=3", {"vad": 2, "asr": 3}),
        (" vad=2 , sender=64 ", {"vad": 2, "sender": 64}),
        ("vad=2,vad=3", {"vad": 3}),
    ],
)
def test_what_is_not_named_has_one_process(text: str, counts: dict[str, int]) -> None:
    assert parse_fanout(text) == ONE_EACH | counts


@pytest.mark.parametrize(
    "text", ["vad", "vad=", "vad=0", "vad=65", "vad=-1", "vad=two", "vad=²", "receiver=2", "=2", "vad=1=2"]
)
def test_a_bad_fan_out_is_named(text: str) -> None:
    with pytest.raises(StartupError, match=r"DALSTON_FANOUT=.* is not one of vad, asr") as refused:
        parse_fanout(text)
    assert text in str(refused.value)


@given(st.text())
def test_any_text_is_counts_or_a_startup_error(text: str) -> None:
    try:
        counts = parse_fanout(text)
    except StartupError:
        return
    assert all(1 <= counts[stage] <= MAX_PROCESSES for stage in STAGES)


def test_honcho_is_told_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["fanout", "vad=2,asr=2"])
    main()
    assert capsys.readouterr().out.strip() == "vad=2,asr=2,assembler=1,sender=1"
    assert honcho_concurrency(parse_fanout("sender=3")) == "vad=1,asr=1,assembler=1,sender=3"


def test_a_bad_fan_out_is_one_line_at_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fanout", "vad=none"])
    with pytest.raises(SystemExit, match="DALSTON_FANOUT='vad=none'"):
        main()


def test_sessions_are_spread_over_the_processes() -> None:
    allocator = ProcessAllocator(parse_fanout("vad=2,asr=3"))
    routes = [allocator.allocate() for _ in range(4)]
    assert routes == [(0, 0, 0, 0), (1, 1, 0, 0), (0, 2, 0, 0), (1, 0, 0, 0)]


def test_the_least_loaded_process_is_next() -> None:
    allocator = ProcessAllocator(parse_fanout("asr=3"))
    routes = [allocator.allocate() for _ in range(3)]
    allocator.release(routes[1])
    assert allocator.allocate() == routes[1]


def test_short_sessions_one_after_the_other_spread_as_well() -> None:
    allocator, used = ProcessAllocator(parse_fanout("asr=3")), Counter[int]()
    for _ in range(9):
        route = allocator.allocate()
        used[route[1]] += 1
        allocator.release(route)
    assert used == {0: 3, 1: 3, 2: 3}


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=60), st.randoms())
def test_no_process_gets_a_session_while_another_has_fewer(
    processes: int, steps: list[bool], random: Random
) -> None:
    allocator, held = ProcessAllocator(ONE_EACH | {"asr": processes}), list[tuple[int, ...]]()
    for takes in steps:
        if takes or not held:
            load = Counter(route[1] for route in held)
            route = allocator.allocate()
            assert load[route[1]] == min(load[i] for i in range(processes))
            held.append(route)
        else:
            allocator.release(held.pop(random.randrange(len(held))))
