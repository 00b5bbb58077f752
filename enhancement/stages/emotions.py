"""Hears emotions in the voices, with a model of the user's choice."""

from collections.abc import Iterator, Sequence

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.jobs import Emotion
from engines.base import Floats
from engines.emotion.classifier import EmotionClassifier, TransformersClassifier
from enhancement.artifacts import Emotions
from enhancement.audio_reader import AudioReader
from enhancement.segments import DraftSegment, make_segments
from enhancement.stage_work import Skipped, StageResult, StageWork
from runtime.errors import StartupError


def run(work: StageWork) -> StageResult | Skipped:
    """Classify each segment by itself."""
    checkpoint = work.settings.emotion_model
    if checkpoint is None:
        return Skipped("no model of emotions is set: set DALSTON_EMOTION_MODEL")
    segments = make_segments(work.heard, work.diarized, work.named, separate=work.prepared.separate)
    if not segments:
        return Skipped("nobody speaks in the recording")
    try:
        classifier = TransformersClassifier(checkpoint, work.settings.enhancer_threads)
    except StartupError as error:
        return Skipped(str(error))
    with work.open_audio() as audio:
        found = dict(_heard(work, audio, segments, classifier))
    return StageResult(Emotions(emotions=found), classifier.name)


def _heard(
    work: StageWork, audio: AudioReader, segments: Sequence[DraftSegment], classifier: EmotionClassifier
) -> Iterator[tuple[int, Emotion]]:
    for number, segment in enumerate(segments):
        work.report(100.0 * number / len(segments))
        (emotion,) = classifier.classify([_audio_of(audio, segment)])
        if emotion is not None:
            yield segment.id, Emotion(label=emotion.label, score=emotion.score)


def _audio_of(audio: AudioReader, segment: DraftSegment) -> Floats:
    first, last = round(segment.start * SAMPLE_RATE), round(segment.end * SAMPLE_RATE)
    return audio.read(first, last, segment.channel)
