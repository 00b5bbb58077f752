"""The speech of the chaos suite has a mark in each word and knows its pauses, and its losses are counted."""

from itertools import chain, islice
from random import Random

import numpy as np

from engines.marked import read_marks
from tests.support.chaos.faults import ALONE, FAULTS, Burst, Played, bursts
from tests.support.chaos.listener import HeardSession
from tests.support.chaos.report import RoundOutcome, add_marks, add_pauses, table
from tests.support.chaos.spoken import Speech, marked
from tests.support.speech import samples


def test_each_mark_is_in_the_audio_at_its_time() -> None:
    speech = marked(samples("beckett.wav"), 2)
    pcm = np.frombuffer(speech.pcm, np.int16).astype(np.float32) / np.float32(32768)
    assert read_marks(pcm) == list(range(len(speech.marks)))
    assert len(speech.marks) > 20
    assert speech.cut(32_000 * 5).marks == tuple(at for at in speech.marks if at < 5)


def test_a_silence_is_no_pause_in_the_results() -> None:
    heard = HeardSession(Speech(bytes(2), (), ((1.0, 2.0), (4.0, 4.5))), enable_vad=True, begun=100.0)
    heard.results = [100.9, 102.1, 103.0, 104.1]
    assert [round(part, 3) for part in heard.longest_pause(100, 102)] == [1.2, 100.9]
    heard.results = [101.2, 102.5]
    assert round(heard.longest_pause(100, 102)[0], 3) == 0.5


def test_words_and_pauses_are_put_down_to_the_fault_before_them() -> None:
    played = [
        Burst([Played("a", "h1", 10.0, 10.0)]),
        Burst([Played("b", "h1", 30.0, 31.0), Played("a", "h2", 30.5, 33.0)]),
    ]
    heard = HeardSession(Speech(b"", (8.0, 9.0, 31.0, 32.0), ()), enable_vad=True)
    heard.transcript, heard.results = "00000 00002 00002", [9.0, 9.9, 11.4, 29.0, 32.6, 33.0]
    outcome = RoundOutcome("seed 1")
    add_marks(outcome, [heard], played)
    add_pauses(outcome, [heard], played)
    assert (outcome.cost("a").lost, outcome.cost("two at once").lost) == (1, 1)
    assert (outcome.cost("a").doubled, outcome.cost("two at once").doubled) == (0, 1)
    assert [round(outcome.cost(kind).pause, 1) for kind in ("a", "two at once")] == [17.6, 3.6]
    assert "| all | 2 | 2 | 1 | 17.6 |" in table([outcome])


def test_each_fault_is_played_before_one_is_played_again() -> None:
    kinds = list(chain.from_iterable(islice(bursts(Random(1)), 100)))
    assert sorted(kinds[: len(FAULTS)]) == sorted(FAULTS)
    assert any(len(burst) == 2 for burst in islice(bursts(Random(1)), 100))
    assert all(len(burst) == 1 for burst in islice(bursts(Random(1)), 100) if set(burst) & set(ALONE))
