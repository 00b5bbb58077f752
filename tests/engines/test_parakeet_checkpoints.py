"""Tests which checkpoints Parakeet accepts, how it streams them, and why it refuses others."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from engines.base import Chunk
from engines.parakeet.checkpoint import locate
from engines.parakeet.engine import Parakeet
from engines.parakeet.nemo import ASRModel
from runtime.errors import StartupError
from tests.engines.digits import DIGITS, config_of_digits, spoken, untrained
from tests.engines.streams import alone, chunks, play


def archive(path: Path, config: dict[str, Any]) -> Path:
    """A .nemo file that has a configuration and no weights."""
    content = OmegaConf.to_yaml(OmegaConf.create(config)).encode()
    with tarfile.open(path, "w") as file:
        member = tarfile.TarInfo("./model_config.yaml")
        member.size = len(content)
        file.addfile(member, io.BytesIO(content))
    return path


def refusal(model: str, **options: Any) -> str:
    """The one line that it says."""
    with pytest.raises(StartupError) as refused:
        Parakeet(model, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("model", ["/nowhere/parakeet.nemo", "parakeet", "./nvidia/parakeet", "a/b/c", ""])
def test_a_file_that_is_not_there(model: str) -> None:
    assert refusal(model).startswith(f"no Parakeet checkpoint {model!r} on this machine: give nvidia/")


def test_a_hub_name_that_can_not_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise ConnectionError("Name or service not known\nand more")

    monkeypatch.setattr(ASRModel, "from_pretrained", offline)
    said = refusal("nvidia/parakeet-tdt-1.1b")
    assert said.startswith("Parakeet nvidia/parakeet-tdt-1.1b is not on this machine and could not be")
    assert "(Name or service not known)" in said


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "junk.nemo"
    path.write_bytes(b"junk" * 1000)
    assert "is no checkpoint of NeMo's" in refusal(str(path))


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    path = archive(tmp_path / "tts.nemo", {"target": "nemo.collections.tts.models.FastPitchModel"})
    assert "is no ASR model of NeMo's" in refusal(str(path))


@pytest.mark.parametrize(
    "target", ["ctc_bpe_models.EncDecCTCModelBPE", "aed_multitask_models.EncDecMultiTaskModel"]
)
def test_an_asr_model_that_can_not_stream(tmp_path: Path, target: str) -> None:
    config = {"target": f"nemo.collections.asr.models.{target}", "preprocessor": {}, "encoder": {}}
    said = refusal(str(archive(tmp_path / "other.nemo", config)))
    assert f"is a {target.rpartition('.')[2]}, which can't stream here: it takes a transducer" in said


def test_a_class_that_is_not_known(tmp_path: Path) -> None:
    config = {"target": "elsewhere.Model", "preprocessor": {}, "encoder": {}}
    assert "does not know" in refusal(str(archive(tmp_path / "other.nemo", config)))


def test_a_checkpoint_without_its_weights(tmp_path: Path) -> None:
    config: Any = OmegaConf.to_container(ASRModel.restore_from(str(DIGITS), return_config=True))
    path = archive(tmp_path / "empty.nemo", config)
    assert "can't be loaded" in refusal(str(path))


def test_steps_for_which_it_was_not_trained() -> None:
    assert refusal(str(DIGITS), chunk_ms=80) == "digits has no steps of 80 ms; it was trained for 160 ms"


def test_the_kind_is_seen_from_the_checkpoint_and_can_be_forced() -> None:
    assert locate(str(DIGITS)).kind == "cache_aware"
    assert locate(str(DIGITS), "buffered").kind == "buffered"


@pytest.mark.parametrize(("chunk_ms", "samples"), [(None, 2_560), (80, 1_280), (560, 8_960), (1_120, 17_920)])
def test_a_checkpoint_of_several_contexts_makes_the_steps_that_are_asked_for(
    several: str, chunk_ms: int | None, samples: int
) -> None:
    engine = Parakeet(several, streams=2, chunk_ms=chunk_ms)
    assert engine.chunk_samples == samples
    engine.transcribe([Chunk(1, np.zeros(samples, np.float32), first=True, last=True)])


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache-aware checkpoint that may look ahead as far as the 0.6B one."""
    folder = tmp_path_factory.mktemp("several")
    config = config_of_digits(folder)
    config.encoder.att_context_size = [[70, 13], [70, 6], [70, 1], [70, 0]]
    return str(untrained(config, folder))


@pytest.fixture(scope="module")
def tdt(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint built like parakeet-tdt: full attention, TDT, features normalized as a whole."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tdt")
    config = config_of_digits(folder)
    durations = [0, 1, 2, 3, 4]
    config.preprocessor.normalize = "per_feature"
    config.encoder.update(att_context_size=[-1, -1], att_context_style="regular", conv_context_size=None)
    config.encoder.update(causal_downsampling=False, conv_norm_type="batch_norm")
    config.model_defaults.tdt_durations = durations
    config.joint.num_extra_outputs = len(durations)
    config.loss = {"loss_name": "tdt", "tdt_kwargs": {"durations": durations, "sigma": 0.05, "omega": 0.1}}
    config.decoding = {"strategy": "greedy_batch", "model_type": "tdt", "durations": durations}
    config.decoding.greedy = {"max_symbols": 5}
    return str(untrained(config, folder))


def test_a_tdt_checkpoint_streams_buffered(tdt: str) -> None:
    engine = Parakeet(tdt, streams=4)
    assert engine.info.variant == "accurate"
    audio = [utterance.audio for utterance in spoken(3)]
    together = play(engine, [chunks(engine, x, word_timestamps=True) for x in audio], together=3)
    assert together == [alone(engine, x, word_timestamps=True) for x in audio]
    assert all([word for word, *_ in heard.words] == heard.text.split() for heard in together)
    assert alone(engine, audio[0], vocabulary=("zebra",)).text


def test_a_full_attention_checkpoint_has_no_cache(tdt: str) -> None:
    assert "keeps no cache" in refusal(tdt, kind="cache_aware")


def test_a_path_may_be_relative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DIGITS.parent)
    assert Parakeet("digits.nemo").chunk_samples == 2_560


@pytest.mark.parametrize(("normalize", "kind"), [(None, "cache_aware"), ("per_feature", "buffered")])
def test_features_of_an_utterance_as_a_whole_keep_a_checkpoint_from_caching(
    tmp_path: Path, normalize: str | None, kind: str
) -> None:
    config = config_of_digits(tmp_path)
    config.preprocessor.normalize = normalize
    path = str(untrained(config, tmp_path))
    assert locate(path).kind == kind
    engine = Parakeet(path, kind="buffered", streams=1)
    engine.transcribe([Chunk(1, np.zeros(100, np.float32), first=True, last=True)])
