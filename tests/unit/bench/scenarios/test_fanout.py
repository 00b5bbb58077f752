"""Checks which combinations are tried, which of them wins, and the lines for `.env`."""

from dataclasses import replace

import pytest

from bench.scenarios.fanout import (
    SettingsCombination,
    possible_combinations,
    successive_halving,
    table,
    verdict,
)
from tests.support.bench_results import SCORE, level, text_of

CHOSEN = {"fanout": "asr=2", "asr_threads": "1", "max_batch": "4", "partial_interval_ms": "200"}


def measured(seconds: float, *, default: bool = False, failed: bool = False) -> SettingsCombination:
    combination = SettingsCombination({} if default else CHOSEN, default)
    combination.levels.append(level(replace(SCORE, time_to_final=seconds, failed=failed)))
    return combination


@pytest.mark.parametrize(("cores", "sessions"), [(1, 1), (2, 4), (8, 16), (64, 100)])
def test_combinations_fit_the_machine_and_the_limit(cores: int, sessions: int) -> None:
    found = possible_combinations(cores, sessions, limit=12, seed=1)
    assert found[0].default
    assert 2 <= len(found) <= 12
    for combination in found[1:]:
        processes = int(combination.settings["fanout"].removeprefix("asr="))
        assert processes * int(combination.settings["asr_threads"]) <= cores
        assert processes <= sessions
    assert len({combination.lines for combination in found}) == len(found)


def test_the_best_of_all_wins_and_the_defaults_stay_to_the_end() -> None:
    combinations = possible_combinations(8, 8, limit=16, seed=1)
    rounds: list[tuple[int, int]] = []

    def play(combination: SettingsCombination, number: int) -> None:
        index = combinations.index(combination)
        rounds.append((number, index))
        combination.levels.append(level(replace(SCORE, time_to_final=0.2 + 0.1 * abs(index - 5))))

    ranking = successive_halving(combinations, play, seed=3)
    assert ranking[0] is combinations[5]
    assert [len([n for n, _ in rounds if n == number]) for number in (1, 2, 3, 4)] == [16, 8, 4, 3]
    last = max(number for number, _ in rounds)
    assert (last, 0) in rounds
    assert [index for number, index in rounds if number == 1] != list(range(16))


def test_what_fails_ranks_behind_what_is_slow() -> None:
    assert measured(3.0).rank < measured(0.3, failed=True).rank
    assert SettingsCombination({}).rank > measured(3.0).rank


def test_the_figures_are_over_all_rounds() -> None:
    combination = measured(0.4)
    combination.levels += measured(0.6).levels
    assert combination.figures.final_p50 == pytest.approx(0.5)
    assert combination.figures.cores_per_stream == pytest.approx(1.0)


def test_the_answer_is_lines_for_the_settings_file() -> None:
    text = verdict(measured(0.4), measured(0.8, default=True))
    assert "0.50 of the defaults'" in text
    assert text.endswith(
        "DALSTON_FANOUT=asr=2\nDALSTON_ASR_THREADS=1\nDALSTON_MAX_BATCH=4\nDALSTON_PARTIAL_INTERVAL_MS=200"
    )


def test_without_a_clear_gain_there_is_nothing_to_set() -> None:
    assert "nothing to set" in verdict(measured(0.78), measured(0.8, default=True))


def test_the_table_has_those_that_went_furthest_first() -> None:
    further, quicker = measured(0.4, default=True), measured(0.3)
    further.levels *= 2
    text = text_of(table([quicker, further, SettingsCombination({})]))
    assert text.index("defaults") < text.index("asr=2")
