"""Turns a session's vocabulary into the phrases that NeMo boosts in its stream."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from engines.parakeet.nemo import (
    ASRRequestOptions,
    BiasingRequestItemConfig,
    BoostingTreeModelConfig,
)

WEIGHT: Final = 2.0  # Strength of boosting: 1 to 4 did not change what was said, 8 invented words (measured).
KEPT: Final = 64
"""Number of vocabularies whose trees stay in memory: building one takes 30 to 100 ms for each utterance."""


class Vocabularies:
    """Boosting trees over the tokens of one checkpoint; the last ones used are kept.

    `weight` is the strength of boosting.
    """

    def __init__(self, name: str, tokenizer: Any, tokens: Sequence[str], weight: float = WEIGHT) -> None:
        self._name, self._tokenizer, self._weight = name, tokenizer, weight
        self._only_lower = not any(c.isupper() for token in tokens if token[:1] != "<" for c in token)
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def options(self, vocabulary: Sequence[str]) -> Any:
        """NeMo's options at the beginning of a stream."""
        phrases = self.phrases(vocabulary)
        if not phrases:
            return ASRRequestOptions()
        # A new one for each stream, because NeMo writes into it where the tree is.
        return ASRRequestOptions(
            biasing_cfg=BiasingRequestItemConfig(
                BoostingTreeModelConfig(key_phrases_list=phrases, context_score=1.0, depth_scaling=2.0),
                boosting_model_alpha=self._weight,
                cache_key=self._keep(phrases),
            )
        )

    def phrases(self, vocabulary: Sequence[str]) -> list[str]:
        """The phrases that the checkpoint can spell, in its own case."""
        phrases = [" ".join(phrase.split()) for phrase in vocabulary]
        if self._only_lower:
            phrases = [phrase.lower() for phrase in phrases]
        return [phrase for phrase in dict.fromkeys(phrases) if phrase and self._can_spell(phrase)]

    def _can_spell(self, phrase: str) -> bool:
        unknown = getattr(self._tokenizer, "unk_id", None)
        return unknown is None or unknown not in self._tokenizer.text_to_ids(phrase)

    def _keep(self, phrases: Sequence[str]) -> str:
        """The key of a tree in NeMo's cache, from which we remove the oldest: NeMo itself removes nothing."""
        key = "\n".join([self._name, *phrases])
        self._kept[key] = None
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            oldest, _ = self._kept.popitem(last=False)
            BiasingRequestItemConfig(cache_key=oldest).remove_from_cache()
        return key
