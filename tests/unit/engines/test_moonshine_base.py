"""Tests what Moonshine base hears, where its wheel is."""

import re
from dataclasses import replace

import numpy as np
import pytest

from bench.recordings.signals import generate
from bench.recordings.spoken_kinds import KINDS
from engines.base import Job
from engines.moonshine.checkpoints import BASE
from engines.moonshine.engine import Moonshine
from stages.asr.halves import decode_in_halves
from tests.support.moonshine_models import needs_base
from tests.support.recordings import BECKETT, recording

pytestmark = needs_base
SECOND = 16_000
UTTERANCES = [(0.0, 4.6), (4.6, 9.96), (0.0, 1.9), (1.5, 4.6)]  # s, of beckett.wav


@pytest.fixture(scope="module")
def engine() -> Moonshine:
    return Moonshine(BASE, threads=2)


def words(text: str) -> list[str]:
    """A text without case and punctuation."""
    return re.sub(r"[^\w' ]", "", text.lower()).split()


def test_what_it_is_and_can_do(engine: Moonshine) -> None:
    info = engine.info
    assert (info.name, info.engine, info.languages) == ("moonshine-base-en", "moonshine", ("en",))
    assert info.features["interim_results"]


def test_a_known_recording_is_heard(engine: Moonshine) -> None:
    (heard,) = engine.transcribe([Job(recording("beckett.wav"))])
    assert words(heard.text) == words(BECKETT)
    assert not heard.cut_off
    assert heard.finished is not None


def test_a_batch_and_a_draft_give_the_tokens_of_a_job_alone(engine: Moonshine) -> None:
    audio = recording("beckett.wav")
    jobs = [Job(audio[int(a * SECOND) : int(b * SECOND)]) for a, b in UTTERANCES]
    alone = [engine.transcribe([job])[0].tokens for job in jobs]
    assert [said.tokens for said in engine.transcribe(jobs)] == alone
    drafts = [tokens[:k] for tokens, k in zip(alone, (0, 3, 1_000, 6), strict=True)]
    drafted = engine.transcribe([Job(job.audio, draft) for job, draft in zip(jobs, drafts, strict=True)])
    assert [said.tokens for said in drafted] == alone


@pytest.mark.parametrize("sound", ["silence", "white noise, -20 dB", "pink noise, -25 dB"])
def test_nothing_is_heard_where_nobody_speaks(engine: Moonshine, sound: str) -> None:
    jobs = [Job(generate(sound, seconds, seed=1)) for seconds in (0.3, 1.5, 4.0)]
    assert [engine.transcribe([job])[0].text for job in jobs] == ["", "", ""]


@pytest.mark.parametrize("zeros", [0, 1_600, 3_200, 4_800])
def test_exact_silence_behind_an_utterance_takes_none_of_its_words(engine: Moonshine, zeros: int) -> None:
    """Left to itself the model says nothing of these 24 words where 0.1 to 0.3 s of zeros follow."""
    audio = recording("two_cities.wav")[int(8.1 * SECOND) : int(17.1 * SECOND)]
    job = Job(np.concatenate([audio, np.zeros(zeros, np.float32)]))
    (heard,) = engine.transcribe([job])
    assert len(words(heard.text)) > 20
    (drafted,) = engine.transcribe([replace(job, draft=heard.tokens)])
    assert drafted.tokens == heard.tokens


@pytest.mark.parametrize("digits", ["six nine", "one five"])
def test_short_numbers_that_the_model_would_end_before_are_heard(engine: Moonshine, digits: str) -> None:
    cases = [case for case in KINDS["numbers"](11) if digits in [part.text for part in case.parts]]
    part, case = next((part, case) for case in cases for part in case.parts if part.text == digits)
    sound = np.pad(case.heard_sound[part.start : part.end], (0, 4_800)).astype(np.float32)
    (heard,) = engine.transcribe([Job(sound)])
    assert heard.text


def test_words_that_it_takes_for_a_song_are_heard_in_halves(engine: Moonshine) -> None:
    """Of "go" ten times it makes "Doo doo doo" between signs of music; to drop that would lose ten words."""
    case = next(case for case in KINDS["repeats"](1) if case.name.startswith("go, 10 times"))
    sound = case.heard_sound[case.parts[0].start : case.parts[0].end]
    job = Job(np.pad(sound, (0, engine.rest)).astype(np.float32))
    heard = decode_in_halves(job, engine.transcribe([job])[0], engine.rest, engine.transcribe)
    assert 8 <= len(words(heard.text)) <= 12


@pytest.mark.parametrize("samples", [0, 1, 800, 1_600])
def test_short_audio_is_no_error(engine: Moonshine, samples: int) -> None:
    (heard,) = engine.transcribe([Job(np.zeros(samples, np.float32))])
    assert len(heard.tokens) <= 6
