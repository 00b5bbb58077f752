"""Plays cases of each kind through the stages with the embedded engine: no word is lost or doubled."""

import pytest

from bench.load.spoken_playback import replay_case
from bench.measure.word_losses import WordLosses
from bench.recordings.spoken_kinds import KINDS
from bench.scenarios.words import WordsPlan, transcripts
from bench.servers.engines import utterance_engine_for
from engines.base import UtteranceEngine
from engines.silero import SileroVad
from tests.support.moonshine_models import needs_base

CASES = 4  # Of each kind; a second or two each.
UNSURE = 5  # Words of a kind, of some 45: the small model may hear some more or less in noise, by the CPU.


MODELS = ("tiny-en", pytest.param("base-en", marks=needs_base))


@pytest.fixture(scope="module", params=MODELS)
def engine(request: pytest.FixtureRequest) -> UtteranceEngine:
    return utterance_engine_for(f"fast=moonshine:{request.param}", "fast")


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_a_kind_is_there_once(kind: str, engine: UtteranceEngine) -> None:
    vad, cases = SileroVad(), WordsPlan.of([kind], 1, CASES, 1).cases(kind, seed=7)
    events = [replay_case(case, vad, engine, "fast", None, seed=7) for case in cases]
    found = list(transcripts(cases, 7, engine, lambda cases, seed: events))
    faulty = [(each.name, each.said, each.alone, each.finals) for each in found if each.faulty]
    losses = sum((each.losses for each in found), WordLosses())
    assert (losses.empty, losses.silent) == (0, 0), faulty
    assert losses.faults <= UNSURE, faulty
