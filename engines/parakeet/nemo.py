"""NeMo's names that the Parakeet engine uses, imported without what NeMo says at its import.

The import takes some 15 s of a CPU core: only a process that serves Parakeet makes it.
"""

import logging
import warnings

logging.getLogger("nv_one_logger").setLevel(logging.CRITICAL)  # says at each import that it is switched off
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations in what NeMo imports
    from nemo.utils import logging as nemo_logging

    nemo_logging.setLevel(logging.ERROR)
    from nemo.collections.asr.inference.factory.pipeline_builder import PipelineBuilder
    from nemo.collections.asr.inference.streaming.framing.request import Frame
    from nemo.collections.asr.inference.streaming.framing.request_options import ASRRequestOptions
    from nemo.collections.asr.inference.utils.pipeline_utils import drop_trailing_features
    from nemo.collections.asr.models import ASRModel, EncDecRNNTModel
    from nemo.collections.asr.parts.context_biasing.biasing_multi_model import BiasingRequestItemConfig
    from nemo.collections.asr.parts.context_biasing.boosting_graph_batched import BoostingTreeModelConfig
    from nemo.collections.asr.parts.preprocessing.features import normalize_batch

__all__ = [
    "ASRModel",
    "ASRRequestOptions",
    "BiasingRequestItemConfig",
    "BoostingTreeModelConfig",
    "EncDecRNNTModel",
    "Frame",
    "PipelineBuilder",
    "drop_trailing_features",
    "normalize_batch",
]
