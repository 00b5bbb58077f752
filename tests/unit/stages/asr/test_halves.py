"""What a model does not end by itself is decoded in halves."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats, Job, Transcript
from stages.asr.halves import SHORTEST, decode_in_halves, is_endless, is_series, quietest

REST = SAMPLE_RATE // 10
PAUSE = SAMPLE_RATE // 20


def said(words: int) -> Floats:
    """Words of a quarter of a second, and a short pause behind each."""
    word = np.concatenate([np.full(SAMPLE_RATE // 4, 0.5, np.float32), np.zeros(PAUSE, np.float32)])
    return np.tile(word, words)


class LosesCount:
    """Counts words; of more than `most` it never ends, or says `instead` as many."""

    def __init__(self, most: int, instead: int | None = None) -> None:
        self.most, self.instead = most, instead
        self.batches: list[Sequence[Job]] = []

    def decode(self, jobs: Sequence[Job]) -> list[Transcript]:
        self.batches.append(jobs)
        return [self.hear(job) for job in jobs]

    def hear(self, job: Job) -> Transcript:
        loud = np.flatnonzero(np.diff(np.concatenate([[0.0], job.audio, [0.0]])))
        words = len(loud) // 2
        if words > self.most and self.instead is not None:
            return Transcript(" ".join(["no"] * self.instead), (1,) * self.instead)
        if words > self.most:
            return Transcript("no", (1,), cut_off=True)
        return Transcript(" ".join(["no"] * words), (1,) * words)


@pytest.mark.parametrize("words", [1, 8, 9, 16, 17, 40])
def test_no_repetition_that_was_said_is_lost(words: int) -> None:
    model = LosesCount(most=8)
    job = Job(said(words), draft=(7,))
    heard = decode_in_halves(job, model.hear(job), REST, model.decode)
    assert heard.text.split() == ["no"] * words
    assert len(heard.tokens) == words
    assert not heard.cut_off
    assert all(not each.draft for batch in model.batches for each in batch)


@pytest.mark.parametrize("words", [8, 17, 40])
@pytest.mark.parametrize("instead", [6, 50])
def test_a_series_of_which_the_model_has_lost_count_is_counted_in_halves(words: int, instead: int) -> None:
    model = LosesCount(most=5, instead=instead)
    job = Job(said(words))
    assert decode_in_halves(job, model.hear(job), REST, model.decode).text.split() == ["no"] * words


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ("No, no, no, no, no, no.", True),
        ("No, no, no, no, no.", False),
        ("Left, right, left, right, Left, right", True),
        ("left right left right left", False),
        ("one two three one two three one two three", True),
        ("one two three one two three", False),
        ("It was the best of times, it was the worst of times, it was the age of wisdom", False),
        ("well no no no no no no thank you", True),
        ("", False),
    ],
)
def test_a_series_is_the_same_words_again_and_again(text: str, series: bool) -> None:
    assert is_series(text.split()) is series


def test_words_keep_their_times() -> None:
    def decode(jobs: Sequence[Job]) -> list[Transcript]:
        return [Transcript("no", words=(("no", 0.1, 0.2, None),)) for _ in jobs]

    job = Job(said(12))
    heard = decode_in_halves(job, Transcript("no", cut_off=True), REST, decode)
    assert [word for word, *_ in heard.words] == ["no", "no"]
    assert heard.words[1][1] == pytest.approx(quietest(job.audio) / SAMPLE_RATE + 0.1)


def test_words_have_no_times_where_those_of_a_half_are_not_known() -> None:
    heard = iter([Transcript("yes", words=(("yes", 0.1, 0.2, None),)), Transcript("no")])
    joined = decode_in_halves(Job(said(12)), Transcript("no", cut_off=True), REST, lambda _: list(heard))
    assert (joined.text, joined.words) == ("yes no", ())


@pytest.mark.parametrize(
    "job",
    [Job(np.zeros(2 * SHORTEST - 1, np.float32)), Job(said(12), prefix=(1,))],
    ids=["too short", "with a context, and so decoded alone anyway"],
)
def test_what_is_not_halved(job: Job) -> None:
    endless = Transcript("no", cut_off=True)
    assert decode_in_halves(job, endless, REST, LosesCount(1).decode) is endless


def test_a_half_on_which_the_engine_fails_leaves_what_there_is() -> None:
    endless = Transcript("no", cut_off=True)
    assert decode_in_halves(Job(said(12)), endless, REST, lambda jobs: [None for _ in jobs]) is endless


def test_more_words_than_can_be_said_have_no_end_either() -> None:
    job = Job(np.zeros(4 * SAMPLE_RATE, np.float32))
    assert not is_endless(Transcript("no " * 20), job)
    assert is_endless(Transcript("if " * 40), job)


@given(st.integers(2 * SHORTEST, 12 * SAMPLE_RATE), st.integers(0, 2**32 - 1))
def test_halves_are_long_enough(samples: int, seed: int) -> None:
    audio = np.random.default_rng(seed).standard_normal(samples).astype(np.float32)
    assert samples // 3 <= quietest(audio) <= samples * 2 // 3 + 1
