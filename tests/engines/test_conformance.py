"""Tests that every engine keeps to the same rules, with real weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

import jiwer
import numpy as np
import psutil
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Engine, Floats, Job, StreamingEngine, Transcript, UtteranceEngine
from engines.catalog import EngineLimits, load, parse
from tests.engines.recordings import noise, utterances
from tests.engines.streams import chunks, play
from tests.support.moonshine_models import needs_base

normalized = EnglishTextNormalizer()
CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "digits.nemo"
Offline = Callable[[list[Floats]], list[str]]


@dataclass(frozen=True)
class EngineCandidate:
    """An engine, speech that it knows, and its library's own offline result.

    `tolerance` is the share of words in which the two may differ.
    """

    name: str
    load: Callable[[], Engine]
    offline: Offline
    tolerance: float
    speech: Callable[[], list[Floats]] = utterances


def moonshine_offline(audio: list[Floats], name: str = "TINY") -> list[str]:
    """What the native library of the wheel moonshine-voice says, with the weights of TINY or of BASE."""
    from moonshine_voice import ModelArch, Transcriber

    from engines.moonshine import checkpoints

    folder = getattr(checkpoints, name).folder()
    with Transcriber(str(folder), getattr(ModelArch, name)) as library:
        lines = [library.transcribe_without_streaming(x.tolist(), SAMPLE_RATE).lines for x in audio]
    return [" ".join(line.text for line in found) for found in lines]


def whisper_offline(audio: list[Floats]) -> list[str]:
    """What faster-whisper says, with its own defaults, of 30 s."""
    from faster_whisper import WhisperModel

    from engines.whisper.checkpoint import embedded

    library = WhisperModel(str(embedded()), device="cpu", compute_type="int8", cpu_threads=1)
    return [" ".join(s.text for s in library.transcribe(x, temperature=0)[0]) for x in audio]


def nemo_offline(audio: list[Floats]) -> list[str]:
    """What NeMo says of whole files."""
    from engines.parakeet.nemo import ASRModel

    library = ASRModel.restore_from(str(CHECKPOINT))
    return [said.text for said in library.transcribe(audio, batch_size=1, verbose=False)]


def digits() -> list[Floats]:
    """Five utterances of voices that the digits checkpoint has not heard."""
    from tests.engines.digits import spoken

    return [utterance.audio for utterance in spoken(5)]


def from_catalog(spec: str) -> Callable[[], Engine]:
    """An engine as DALSTON_MODELS names it."""
    return lambda: next(iter(load(parse(spec), EngineLimits()).values()))


def parakeet(kind: Literal["cache_aware", "buffered"]) -> Callable[[], Engine]:
    """The digits checkpoint in one of NeMo's two streaming pipelines."""

    def build() -> Engine:
        from engines.parakeet.engine import Parakeet

        return Parakeet(str(CHECKPOINT), kind=kind, streams=8)

    return build


CANDIDATES = (
    # the library cuts by its own VAD and often hears one word more at the beginning
    EngineCandidate("moonshine", from_catalog("fast=moonshine:tiny-en"), moonshine_offline, tolerance=0.10),
    pytest.param(
        EngineCandidate(
            "moonshine base",
            from_catalog("accurate=moonshine:base-en"),
            partial(moonshine_offline, name="BASE"),
            tolerance=0.10,
        ),
        marks=needs_base,
    ),
    # the library decodes with timestamps, which words depend on a little
    EngineCandidate("whisper", from_catalog("accurate=whisper:tiny.en"), whisper_offline, tolerance=0.05),
    EngineCandidate("parakeet cache-aware", parakeet("cache_aware"), nemo_offline, 0.05, digits),
    EngineCandidate("parakeet buffered", parakeet("buffered"), nemo_offline, 0.05, digits),
)


@pytest.fixture(scope="module", params=CANDIDATES, ids=lambda candidate: candidate.name)
def candidate(request: pytest.FixtureRequest) -> EngineCandidate:
    """Each engine in turn."""
    found: EngineCandidate = request.param
    return found


@pytest.fixture(scope="module")
def engine(candidate: EngineCandidate) -> Engine:
    """The engine, loaded once."""
    return candidate.load()


@pytest.fixture(scope="module")
def speech(candidate: EngineCandidate) -> list[Floats]:
    """Five utterances that it knows."""
    return candidate.speech()


def hear(engine: Engine, *jobs: Job) -> list[Transcript]:
    """The final transcripts of jobs that come in one batch; a streaming engine gets them in its chunks."""
    if engine.info.features["streaming"]:
        return stream(cast(StreamingEngine, engine), jobs)
    return cast(UtteranceEngine, engine).transcribe(jobs)


def stream(engine: StreamingEngine, jobs: Sequence[Job]) -> list[Transcript]:
    """Steps over all streams that go on, until all have ended."""
    wishes = [
        {"language": j.language, "vocabulary": j.vocabulary, "word_timestamps": j.word_timestamps}
        for j in jobs
    ]
    streams = [chunks(engine, job.audio, **wish) for job, wish in zip(jobs, wishes, strict=True)]
    return play(engine, streams, together=len(streams))


def wants(audio: Floats) -> Job:
    """A job that asks for everything."""
    return Job(audio, language="en", vocabulary=("dalston",), word_timestamps=True)


def test_the_text_is_that_of_the_engines_own_library(
    candidate: EngineCandidate, engine: Engine, speech: list[Floats]
) -> None:
    ours = [normalized(hear(engine, Job(x))[0].text) for x in speech]
    theirs = [normalized(text) for text in candidate.offline(speech)]
    assert jiwer.wer(theirs, ours) <= candidate.tolerance, list(zip(theirs, ours, strict=True))


def test_a_batch_of_four_says_what_four_alone_say(engine: Engine, speech: list[Floats]) -> None:
    jobs = [Job(audio, word_timestamps=True) for audio in speech[:4]]
    together = hear(engine, *jobs)
    alone = [hear(engine, job)[0] for job in jobs]
    assert [normalized(t.text) for t in together] == [normalized(t.text) for t in alone]


def test_a_neighbour_that_says_nothing_changes_nothing(engine: Engine, speech: list[Floats]) -> None:
    said = Job(speech[0])
    (alone,) = hear(engine, said)
    beside = hear(engine, Job(noise(0.05, 0.1)), said, Job(np.zeros(8_000, np.float32)))
    assert normalized(beside[1].text) == normalized(alone.text)


def test_50_ms_of_speech_give_a_result(engine: Engine, speech: list[Floats]) -> None:
    (result,) = hear(engine, wants(speech[0][16_000:16_800]))
    assert len(result.text.split()) <= 3
    assert all(0 <= start <= end <= 0.05 for _, start, end, _ in result.words)


def test_silence_is_no_sentence(engine: Engine) -> None:
    (result,) = hear(engine, Job(np.zeros(2 * SAMPLE_RATE, np.float32)))
    assert len(result.text.split()) <= 1


def test_nothing_at_all_is_no_error(engine: Engine) -> None:
    (result,) = hear(engine, wants(np.zeros(0, np.float32)))
    assert len(result.text.split()) <= 1


def test_a_result_has_what_the_features_say_and_no_more(engine: Engine, speech: list[Floats]) -> None:
    features = engine.info.features
    (result,) = hear(engine, wants(speech[0]))
    assert bool(result.words) == features["word_timestamps"]
    assert (result.confidence is not None) == features["confidence"]
    assert result.finished is None or 0 <= result.finished <= 1
    assert result.language in engine.info.languages


def test_word_times_come_only_where_they_are_wanted(engine: Engine, speech: list[Floats]) -> None:
    (result,) = hear(engine, Job(speech[0]))
    assert result.words == ()


def test_words_are_in_order_within_the_audio_and_make_up_the_text(
    engine: Engine, speech: list[Floats]
) -> None:
    audio = speech[2]
    (result,) = hear(engine, wants(audio))
    times = [at for _, start, end, _ in result.words for at in (start, end)]
    assert times == sorted(times)
    assert all(0 <= at <= len(audio) / SAMPLE_RATE for at in times)
    assert all(c is None or 0 < c <= 1 for *_, c in result.words)
    words = result.text.split() if engine.info.features["word_timestamps"] else []
    assert [word for word, *_ in result.words] == words


def test_a_vocabulary_leaves_what_was_said_alone(engine: Engine, speech: list[Floats]) -> None:
    job = Job(speech[1])
    plain, asked = (hear(engine, j)[0] for j in (job, replace(job, vocabulary=("dalston",))))
    assert normalized(asked.text) == normalized(plain.text)
    assert asked == plain or engine.info.features["vocabulary"]


def test_memory_stays_flat_over_many_short_jobs(engine: Engine, speech: list[Floats]) -> None:
    jobs = [Job(speech[0][: round(seconds * SAMPLE_RATE)]) for seconds in (0.3, 0.5, 0.8)]

    def run(times: int) -> list[Transcript]:
        return [result for _ in range(times) for result in hear(engine, *jobs)]

    run(20)  # the allocator's pools have grown by then
    before = psutil.Process().memory_info().rss
    run(40)
    grown = psutil.Process().memory_info().rss - before
    assert grown < 8 * 2**20, f"{grown} bytes more after 120 jobs"
