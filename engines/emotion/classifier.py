"""Classifies the emotion of utterances with an audio classifier of the library transformers.

Its weights are a folder, or a name on a model hub, from which the library loads them at their first use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats
from runtime.errors import StartupError

LONGEST_S: Final = (
    20.0  # Seconds of an utterance that are classified: these models learned from shorter ones.
)
SHORTEST_S: Final = 0.4  # Seconds: less is a sound, and the convolutions of such models need some tenths.


@dataclass(frozen=True, slots=True)
class HeardEmotion:
    """A label of the model, with its probability."""

    label: str
    score: float


class EmotionClassifier(Protocol):
    """A model that hears emotions."""

    @property
    def name(self) -> str:
        """What it is, for the record."""
        ...

    def classify(self, utterances: Sequence[Floats]) -> list[HeardEmotion | None]:
        """The emotion of each utterance (mono float32 at 16 kHz); None for one that is too short."""
        ...


class TransformersClassifier:
    """A checkpoint of transformers for the task audio-classification."""

    def __init__(self, checkpoint: str, threads: int = 1) -> None:
        """Load it.

        Raises:
            StartupError: the library is missing, or the checkpoint is none; the message says what would work.
        """
        try:
            import torch
            import transformers
        except ImportError:
            text = "emotions need transformers and torch: pip install 'dalston-realtime[emotions]'"
            raise StartupError(text) from None
        torch.set_num_threads(threads)
        library: Any = transformers  # It ships types for some of its functions alone.
        try:
            self._extractor = library.AutoFeatureExtractor.from_pretrained(checkpoint)
            self._model = library.AutoModelForAudioClassification.from_pretrained(checkpoint).eval()
        except (OSError, ValueError, KeyError) as error:
            text = (
                f"DALSTON_EMOTION_MODEL={checkpoint} is no audio classifier: {' '.join(str(error).split())}"
            )
            raise StartupError(text[:500]) from None
        self._checkpoint = checkpoint

    @property
    def name(self) -> str:
        """The checkpoint."""
        return self._checkpoint

    def classify(self, utterances: Sequence[Floats]) -> list[HeardEmotion | None]:
        """One forward pass for each: in a batch they would be padded, which changes what some models hear."""
        return [self._classify(audio) for audio in utterances]

    def _classify(self, audio: Floats) -> HeardEmotion | None:
        import torch

        if len(audio) < SHORTEST_S * SAMPLE_RATE:
            return None
        audio = audio[: int(LONGEST_S * SAMPLE_RATE)]
        inputs = self._extractor(audio, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            odds = torch.softmax(self._model(**inputs).logits[0].float(), dim=-1)
        best = int(odds.argmax())
        return HeardEmotion(str(self._model.config.id2label[best]), round(float(odds[best]), 4))
