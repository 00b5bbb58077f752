"""Makes a small cache-aware streaming FastConformer-RNNT from texts and features.

It is NeMo's `EncDecRNNTBPEModel`, of the same kind as the large streaming checkpoints (8 x causal
subsampling, chunked attention, causal convolutions), at about 2 million parameters.
"""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from nemo.collections.asr.models import EncDecRNNTBPEModel
from omegaconf import OmegaConf

from tests.checkpoints.digits_speech import RATE

FEATURES = 80  # mel bands
WIDTH = 128  # of the encoder, the prediction net and the joint net
LAYERS = 4
VOCABULARY = 96  # enough that a digit is one token: 12.5 frames a second have no room for letters
LETTERS = "abcdefghijklmnopqrstuvwxyz'"  # so that a phrase to boost may hold any word
# In frames of 80 ms: 5.6 s back, and 80 ms ahead at most, which makes chunks of 160 ms.
CONTEXT = [70, 1]


def train_tokenizer(texts: Iterable[str], folder: Path) -> None:
    """Writes a SentencePiece model and its vocabulary, named as NeMo expects them."""
    folder.mkdir(parents=True, exist_ok=True)
    model = BytesIO()  # a file's path would go into the model
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCABULARY,
        required_chars=LETTERS,
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = (tokenizer.id_to_piece(number) for number in range(tokenizer.get_piece_size()))
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces))


def preprocessor_config() -> dict[str, Any]:
    """Log-mels that are not normalized: a stream has no mean before it ends."""
    return {
        "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
        "sample_rate": RATE,
        "normalize": "NA",
        "window_size": 0.025,
        "window_stride": 0.01,
        "window": "hann",
        "features": FEATURES,
        "n_fft": 512,
        "log": True,
        "frame_splicing": 1,
        "dither": 0.0,
        "pad_to": 0,
        "pad_value": 0.0,
    }


def encoder_config() -> dict[str, Any]:
    """A FastConformer that never looks further ahead than its chunk."""
    return {
        "_target_": "nemo.collections.asr.modules.ConformerEncoder",
        "feat_in": FEATURES,
        "feat_out": -1,
        "n_layers": LAYERS,
        "d_model": WIDTH,
        "n_heads": 4,
        "subsampling": "dw_striding",
        "subsampling_factor": 8,
        "subsampling_conv_channels": 64,
        "causal_downsampling": True,
        "ff_expansion_factor": 4,
        "self_attention_model": "rel_pos",
        "att_context_size": CONTEXT,
        "att_context_style": "chunked_limited",
        "xscaling": False,
        "untie_biases": True,
        "conv_kernel_size": 9,
        "conv_norm_type": "layer_norm",
        "conv_context_size": "causal",
        "dropout": 0.0,
        "dropout_pre_encoder": 0.0,
        "dropout_emb": 0.0,
        "dropout_att": 0.0,
    }


def decoder_config() -> dict[str, Any]:
    """The prediction net: one LSTM over the tokens so far."""
    return {
        "_target_": "nemo.collections.asr.modules.RNNTDecoder",
        "normalization_mode": None,
        "random_state_sampling": False,
        "blank_as_pad": True,
        "prednet": {
            "pred_hidden": WIDTH,
            "pred_rnn_layers": 1,
            "t_max": None,
            "dropout": 0.0,
        },
    }


def joint_config() -> dict[str, Any]:
    """The joint net, unfused: the loss sees all of a batch's lattice at once, it is small."""
    return {
        "_target_": "nemo.collections.asr.modules.RNNTJoint",
        "log_softmax": None,
        "preserve_memory": False,
        "fuse_loss_wer": False,
        "fused_batch_size": None,
        "jointnet": {"joint_hidden": WIDTH, "activation": "relu", "dropout": 0.0},
    }


def build_model(tokenizer: Path) -> Any:
    """An untrained model over the tokenizer in a folder."""
    config = {
        "sample_rate": RATE,
        "model_defaults": {"enc_hidden": WIDTH, "pred_hidden": WIDTH},
        "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
        "preprocessor": preprocessor_config(),
        "encoder": encoder_config(),
        "decoder": decoder_config(),
        "joint": joint_config(),
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 5}},
        "loss": {"loss_name": "default", "warprnnt_numba_kwargs": {"fastemit_lambda": 0.0}},
    }
    return EncDecRNNTBPEModel(cfg=OmegaConf.create(config))


def fold_normalization(model: Any, mean: float, deviation: float) -> None:
    """Makes the first convolution expect log-mels of this mean and deviation.

    Log-mels as they come (mean -12, deviation 4) stop the training at its first plateau, and
    normalizing them outside is not open to a stream: so the same sum goes into the weights.
    """
    first = next(layer for layer in model.encoder.modules() if isinstance(layer, torch.nn.Conv2d))
    assert first.bias is not None
    with torch.no_grad():
        first.weight /= deviation
        first.bias -= mean * first.weight.sum(dim=(1, 2, 3))


def save_model(model: Any, out: Path) -> None:
    """Writes the model as a `.nemo` file that names no folder of this machine."""
    model.eval()
    model.cfg.tokenizer.dir = "tokenizer"  # the file holds the tokenizer itself
    model.save_to(str(out))
