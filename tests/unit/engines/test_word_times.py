"""Tests that words get the times at which they are said: the alignment alone, then with real weights."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engines.base import Floats, Job
from engines.moonshine.checkpoints import BASE, TINY, EmbeddedModel
from engines.moonshine.engine import Moonshine
from engines.moonshine.word_times import BLOCK, STATE, first_states, word_times
from tests.support.moonshine_models import needs_base
from tests.support.recordings import recording

SECOND = 16_000
CUT_S = 2.68  # In two_cities.wav, behind "It was the best of times,".
PAUSE_S = 0.8
NEAR_S = 0.15  # Four times the mean difference that was measured.


def test_each_token_gets_the_states_that_it_listens_to() -> None:
    attention = np.zeros((3, 9), np.float32)
    attention[0, :2], attention[1, 2:7], attention[2, 7:] = 1, 1, 1
    assert first_states(attention) == [0, 2, 7]


@given(
    st.integers(1, 12).flatmap(
        lambda tokens: arrays(np.float32, (tokens, 20), elements=st.floats(0, 1, width=32))
    )
)
def test_tokens_follow_one_another_and_each_has_a_state(attention: Floats) -> None:
    firsts = first_states(attention)
    assert len(firsts) == len(attention)
    assert firsts[0] == 0
    assert all(a < b for a, b in pairwise(firsts))


def test_more_tokens_than_states_share_the_last_one() -> None:
    assert first_states(np.ones((5, 3), np.float32)) == [0, 1, 2, 2, 2]


def test_silence_at_the_edges_of_a_word_is_no_part_of_it() -> None:
    audio = np.zeros(20 * BLOCK, np.float32)
    audio[3 * BLOCK : 8 * BLOCK], audio[12 * BLOCK : 15 * BLOCK] = 0.5, 0.1
    times = word_times(audio, [0, 10 * BLOCK], 20 * BLOCK)
    assert times == [(0.06, 0.16), (0.24, 0.30)]


def test_words_at_one_place_and_behind_the_audio_have_no_length() -> None:
    assert (
        word_times(np.ones(SECOND, np.float32), [SECOND, SECOND + STATE], SECOND + STATE) == [(1.0, 1.0)] * 2
    )


MODELS = [pytest.param(TINY, id="tiny"), pytest.param(BASE, id="base", marks=needs_base)]


@pytest.fixture(scope="module", params=MODELS)
def engine(request: pytest.FixtureRequest) -> Moonshine:
    model: EmbeddedModel = request.param
    return Moonshine(model, threads=2)


def test_the_words_behind_a_pause_begin_where_it_ends(engine: Moonshine) -> None:
    audio, end = recording("two_cities.wav"), int(CUT_S * SECOND)
    pause = np.zeros(int(PAUSE_S * SECOND), np.float32)
    spliced = np.concatenate([audio[:end], pause, audio[end : end + 2 * SECOND]])
    (plain,) = engine.transcribe([Job(audio[: end + 2 * SECOND], word_timestamps=True)])
    (paused,) = engine.transcribe([Job(spliced, word_timestamps=True)])
    assert [word for word, *_ in paused.words] == paused.text.split()
    before = [start for _, start, _, _ in plain.words]
    after = [start for _, start, _, _ in paused.words]
    assert len(before) == len(after) >= 10
    moved = [start + (PAUSE_S if start > CUT_S - NEAR_S / 2 else 0) for start in before]
    assert after == pytest.approx(moved, abs=NEAR_S)


def test_behind_a_context_times_count_from_the_utterance(engine: Moonshine) -> None:
    audio, end = recording("two_cities.wav"), int(CUT_S * SECOND)
    first, second = audio[:end], audio[end : end + 2 * SECOND]
    (context,) = engine.transcribe([Job(first)])
    job = Job(np.concatenate([first, second]), prefix=context.tokens, context=end, word_timestamps=True)
    ((alone,), (behind,)) = (engine.transcribe([each]) for each in (Job(second, word_timestamps=True), job))
    assert len(behind.words) == len(behind.text.split()) == len(alone.words)
    ends, expected = ([end for *_, end, _ in each.words] for each in (behind, alone))
    assert ends == pytest.approx(expected, abs=2 * NEAR_S)
