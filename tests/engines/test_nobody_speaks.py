"""Plays sounds in which nobody speaks through the stages with the embedded models: no text comes of them."""

import pytest

from bench.load.chunks import TAIL_S
from bench.load.session_replay import PassTimes, SessionReplay
from bench.recordings.signals import SIGNALS, generate
from bench.servers.engines import utterance_engine_for
from dalston_realtime.client.audio.files import to_pcm
from dalston_realtime.protocol.events import Final, Partial
from dalston_realtime.protocol.parameters import SessionConfig
from engines.base import UtteranceEngine
from engines.silero import SileroVad
from stages.alignment import normal
from tests.support.moonshine_models import needs_base

SECONDS = 30.0  # Of each sound.
SEEDS = (1, 2)
SUNG = "sung melody, -25 dB"
HUMS = {"mmhmm", "mm", "hmm"}  # What a hummed note may be heard as: a person can say it.
MODELS = ("tiny-en", pytest.param("base-en", marks=needs_base))


@pytest.fixture(scope="module", params=MODELS)
def engine(request: pytest.FixtureRequest) -> UtteranceEngine:
    return utterance_engine_for(f"fast=moonshine:{request.param}", "fast")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SIGNALS)
def test_no_text_comes_of_a_sound_without_speech(name: str, seed: int, engine: UtteranceEngine) -> None:
    session = SessionReplay(SileroVad(), engine, SessionConfig(), PassTimes())
    session.play(to_pcm(generate(name, SECONDS, seed)))
    session.play_silence(TAIL_S)
    session.end()
    events = [timed.event for timed in session.events]
    texts = [event.text for event in events if isinstance(event, Partial | Final)]
    assert [text for text in texts if not (name == SUNG and normal(text) in HUMS)] == []
