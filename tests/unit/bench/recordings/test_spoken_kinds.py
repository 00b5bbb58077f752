"""Checks the spoken cases: what is said lies where the parts say, and a seed always gives the same."""

from itertools import islice, pairwise

import numpy as np
import pytest

from bench.recordings.speaker import shorten_pauses
from bench.recordings.spoken_case import SNR_DB, TELEPHONE, SpokenCase
from bench.recordings.spoken_kinds import KINDS, PAUSES, answers, numbers, push_to_talk, repeats
from dalston_realtime.protocol.audio import SAMPLE_RATE


def rms(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_cases_and_another_seed_gives_others(kind: str) -> None:
    first, same, other = (list(islice(KINDS[kind](seed), 8)) for seed in (1, 1, 2))
    assert [case.name for case in first] == [case.name for case in same]
    assert all(np.array_equal(a.sound, b.sound) for a, b in zip(first, same, strict=True))
    assert not all(np.array_equal(a.sound, b.sound) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_lies_in_the_sound_and_can_be_heard(kind: str) -> None:
    for case in islice(KINDS[kind](3), 20):
        assert np.abs(case.sound).max() <= 1.0
        assert case.sound.dtype == np.float32
        assert all(part.text.split() for part in case.parts)
        assert all(0 <= part.start < part.end <= len(case.sound) for part in case.parts)
        assert all(rms(case.sound[part.start : part.end]) > 0.005 for part in case.parts)


def test_a_number_has_ten_digits_in_groups_with_each_pause_between_them() -> None:
    cases = list(numbers(1, count=3))
    assert len(cases) == 3 * len(PAUSES)
    for case, pause in zip(cases, PAUSES * 3, strict=True):
        assert sum(len(part.text.split()) for part in case.parts) == 10
        between = [(b.start - a.end) / SAMPLE_RATE for a, b in pairwise(case.parts)]
        assert between == pytest.approx([pause] * len(between), abs=0.001)


def test_an_answer_is_given_six_times() -> None:
    for case in islice(answers(1), 10):
        assert len(case.parts) == 6
        assert len({part.text for part in case.parts}) == 1


def test_all_four_conditions_occur() -> None:
    for kind in (numbers(1, count=4), answers(1), push_to_talk(1)):
        assert {(case.rate, case.noisy) for case in kind} == {
            (rate, noisy) for rate in (SAMPLE_RATE, TELEPHONE) for noisy in (False, True)
        }


def test_noise_is_18_db_below_the_speech() -> None:
    quiet = next(numbers(1, count=1))
    noise = quiet.in_noise(1).sound - quiet.sound
    speech = np.concatenate([quiet.sound[p.start : p.end] for p in quiet.parts])
    assert 20 * np.log10(rms(speech) / rms(noise)) == pytest.approx(SNR_DB, abs=0.2)


def test_on_the_phone_there_are_half_as_many_samples() -> None:
    case = next(numbers(1, count=1))
    phone = case.on_the_phone()
    assert len(phone.pcm) == pytest.approx(len(case.pcm) / 2, abs=2)
    assert len(phone.heard_sound) == pytest.approx(len(case.sound), abs=2)
    spectrum = np.abs(np.fft.rfft(phone.heard_sound))
    above = int(len(spectrum) * 4_200 / 8_000)
    assert spectrum[above:].max() < 0.01 * spectrum.max()


def test_some_repeats_are_longer_than_the_longest_utterance() -> None:
    assert sum(case.seconds > 13 for case in repeats(1)) >= 4


def test_push_to_talk_stops_behind_words_and_inside_them_with_both_endings() -> None:
    cases = list(push_to_talk(1, count=20))
    assert {(case.ending, bool(case.parts[0].broken_off)) for case in cases} == {
        (ending, inside) for ending in ("end", "flush") for inside in (False, True)
    }
    assert all(case.parts[-1].end == len(case.sound) for case in cases)


def test_pauses_are_shortened_and_the_rest_stays() -> None:
    tone = 0.3 * np.sin(np.arange(8_000) / 3).astype(np.float32)
    sound = np.concatenate([tone, np.zeros(16_000, np.float32), tone])
    assert len(shorten_pauses(sound, 0.1)) == 8_000 + 1_600 + 8_000


def test_a_case_of_a_kind_is_named_for_a_table() -> None:
    case: SpokenCase = next(numbers(1, count=1))
    assert case.name.split(",")[0].isdecimal()
    assert case.under(3, 1).name.endswith("noise, 8 kHz")
