"""Every engine keeps to the same rules, with real weights."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import jiwer
import numpy as np
import psutil
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from stages.engines.base import Chunk, Engine, Floats, Job, StreamingEngine, Transcript, UtteranceEngine
from stages.engines.catalog import Room, load, parse
from stages.messages import SAMPLE_RATE
from tests.engines.recordings import cut, noise, utterances

normalized = EnglishTextNormalizer()
Offline = Callable[[list[Floats]], list[str]]


@dataclass(frozen=True)
class Candidate:
    """An engine as DALSTON_MODELS names it, and its library's own offline result.

    `tolerance` is the share of words in which the two may differ.
    """

    spec: str
    offline: Offline
    tolerance: float


def moonshine_offline(audio: list[Floats]) -> list[str]:
    """What the wheel's native library says."""
    from moonshine_voice import ModelArch, Transcriber

    from stages.engines.moonshine import weights

    with Transcriber(str(weights()), ModelArch.TINY) as library:
        lines = [library.transcribe_without_streaming(x.tolist(), SAMPLE_RATE).lines for x in audio]
    return [" ".join(line.text for line in found) for found in lines]


def whisper_offline(audio: list[Floats]) -> list[str]:
    """What faster-whisper says, with its own defaults, of 30 s."""
    from faster_whisper import WhisperModel

    from stages.engines.whisper_checkpoint import embedded

    library = WhisperModel(str(embedded()), device="cpu", compute_type="int8", cpu_threads=1)
    return [" ".join(s.text for s in library.transcribe(x, temperature=0)[0]) for x in audio]


CANDIDATES = (
    # the library cuts by its own VAD and often hears one word more at the beginning
    Candidate("fast=moonshine:tiny-en", moonshine_offline, tolerance=0.10),
    # the library decodes with timestamps, which words depend on a little
    Candidate("accurate=whisper:tiny.en", whisper_offline, tolerance=0.05),
)


@pytest.fixture(scope="module", params=CANDIDATES, ids=lambda candidate: candidate.spec)
def candidate(request: pytest.FixtureRequest) -> Candidate:
    """Each engine in turn."""
    found: Candidate = request.param
    return found


@pytest.fixture(scope="module")
def engine(candidate: Candidate) -> Iterator[Engine]:
    """The engine, loaded once."""
    yield from load(parse(candidate.spec), Room()).values()


def hear(engine: Engine, *jobs: Job) -> list[Transcript]:
    """The final transcripts of jobs that come in one batch; a streaming engine gets them in its chunks."""
    if engine.info.features["streaming"]:
        return stream(cast(StreamingEngine, engine), jobs)
    return cast(UtteranceEngine, engine).transcribe(jobs)


def stream(engine: StreamingEngine, jobs: Sequence[Job]) -> list[Transcript]:
    """Steps over all streams that go on, until all have ended."""
    finals: dict[int, Transcript] = {}
    at, size = 0, engine.chunk_samples
    while len(finals) < len(jobs):
        chunks = [chunk(number, job, at, size) for number, job in enumerate(jobs) if number not in finals]
        results = engine.transcribe(chunks)
        finals |= {c.stream: result for c, result in zip(chunks, results, strict=True) if c.last}
        at += size
    return [finals[number] for number in range(len(jobs))]


def chunk(number: int, job: Job, at: int, size: int) -> Chunk:
    """The chunk of a job from sample `at` on."""
    return Chunk(
        number,
        job.audio[at : at + size],
        first=at == 0,
        last=at + size >= len(job.audio),
        language=job.language,
        vocabulary=job.vocabulary,
        word_timestamps=job.word_timestamps,
    )


def wants(audio: Floats) -> Job:
    """A job that asks for everything."""
    return Job(audio, language="en", vocabulary=("Dalston",), word_timestamps=True)


def test_the_text_is_that_of_the_engines_own_library(candidate: Candidate, engine: Engine) -> None:
    audio = utterances()
    ours = [normalized(hear(engine, Job(x))[0].text) for x in audio]
    theirs = [normalized(text) for text in candidate.offline(audio)]
    assert jiwer.wer(theirs, ours) <= candidate.tolerance, list(zip(theirs, ours, strict=True))


def test_a_batch_of_four_says_what_four_alone_say(engine: Engine) -> None:
    jobs = [Job(audio, word_timestamps=True) for audio in utterances()[:4]]
    together = hear(engine, *jobs)
    alone = [hear(engine, job)[0] for job in jobs]
    assert [normalized(t.text) for t in together] == [normalized(t.text) for t in alone]


def test_a_neighbour_that_says_nothing_changes_nothing(engine: Engine) -> None:
    speech = Job(utterances()[0])
    (alone,) = hear(engine, speech)
    beside = hear(engine, Job(noise(0.05, 0.1)), speech, Job(np.zeros(8_000, np.float32)))
    assert normalized(beside[1].text) == normalized(alone.text)


def test_50_ms_of_speech_give_a_result(engine: Engine) -> None:
    (result,) = hear(engine, wants(cut("two_cities", 1.5, 1.55)))
    assert len(result.text.split()) <= 3
    assert all(0 <= start <= end <= 0.05 for _, start, end, _ in result.words)


def test_silence_is_no_sentence(engine: Engine) -> None:
    (result,) = hear(engine, Job(np.zeros(2 * SAMPLE_RATE, np.float32)))
    assert len(result.text.split()) <= 1


def test_nothing_at_all_is_no_error(engine: Engine) -> None:
    (result,) = hear(engine, wants(np.zeros(0, np.float32)))
    assert len(result.text.split()) <= 1


def test_a_result_has_what_the_features_say_and_no_more(engine: Engine) -> None:
    features = engine.info.features
    (result,) = hear(engine, wants(utterances()[0]))
    assert bool(result.words) == features["word_timestamps"]
    assert (result.confidence is not None) == features["confidence"]
    assert result.language in engine.info.languages


def test_word_times_come_only_where_they_are_wanted(engine: Engine) -> None:
    (result,) = hear(engine, Job(utterances()[0]))
    assert result.words == ()


def test_words_are_in_order_within_the_audio_and_make_up_the_text(engine: Engine) -> None:
    audio = utterances()[2]
    (result,) = hear(engine, wants(audio))
    times = [at for _, start, end, _ in result.words for at in (start, end)]
    assert times == sorted(times)
    assert all(0 <= at <= len(audio) / SAMPLE_RATE for at in times)
    assert all(c is None or 0 < c <= 1 for *_, c in result.words)
    words = result.text.split() if engine.info.features["word_timestamps"] else []
    assert [word for word, *_ in result.words] == words


def test_a_vocabulary_leaves_what_was_said_alone(engine: Engine) -> None:
    job = Job(utterances()[1])
    plain, asked = (hear(engine, j)[0] for j in (job, replace(job, vocabulary=("Dalston",))))
    assert normalized(asked.text) == normalized(plain.text)
    assert asked == plain or engine.info.features["vocabulary"]


def test_memory_stays_flat_over_many_short_jobs(engine: Engine) -> None:
    jobs = [Job(cut("two_cities", 1.2, 1.2 + seconds)) for seconds in (0.3, 0.5, 0.8)]

    def run(times: int) -> list[Transcript]:
        return [result for _ in range(times) for result in hear(engine, *jobs)]

    run(10)  # the allocator's pools have grown by then
    before = psutil.Process().memory_info().rss
    run(40)
    grown = psutil.Process().memory_info().rss - before
    assert grown < 8 * 2**20, f"{grown} bytes more after 120 jobs"
