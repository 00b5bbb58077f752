"""Finds when somebody speaks in a recording and when each word is said, with Silero VAD and Whisper tiny.en.

`python -m bench.recordings.align` writes the manifest of the embedded recordings.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from bench.recordings.embedded import MANIFEST, audio_folder
from bench.recordings.recording import Recording, Word, read_pcm
from bench.recordings.reference_texts import REFERENCE_TEXTS
from bench.recordings.words import normalized
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.silero import WINDOW, SileroVad, VadState

Floats: TypeAlias = npt.NDArray[np.float32]
Span: TypeAlias = tuple[float, float]

SPEECH: Final = 0.5  # Probability from which speech begins; silero-vad's own threshold.
SILENCE: Final = 0.35  # Probability below which speech ends; silero-vad's own second threshold.
MIN_SILENCE: Final = 0.1  # Seconds; a shorter silence does not end a segment.
MIN_SPEECH: Final = 0.1  # Seconds; a shorter sound is not counted as speech.
TURN: Final = 2.5  # Seconds; a turn is at least so long, so that Whisper has enough context.
PAUSE: Final = 0.3  # Seconds; turns are only divided in pauses that are at least so long.
WINDOW_S: Final = WINDOW / SAMPLE_RATE  # Seconds for which Silero VAD gives one probability.


class Aligner:
    """Aligns recordings with the two models, which are loaded once.

    Raises:
        UsageError: faster-whisper or its embedded model is not installed.
    """

    def __init__(self) -> None:
        self._vad = SileroVad()
        self._whisper = _whisper()

    def align(self, audio: Floats) -> tuple[list[Span], list[Word]]:
        """The segments of speech, and each word with its start and end, in seconds.

        Each turn is transcribed by itself: in a longer audio Whisper leaves out phrases that are repeated.
        """
        segments = self._segments(audio)
        edges = turn_edges(turns(segments), len(audio) / SAMPLE_RATE) if segments else []
        words: list[Word] = []
        for start, end in pairwise(edges):
            turn = audio[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
            words += [(word, round(start + a, 2), round(start + b, 2)) for word, a, b in self._words(turn)]
        return segments, words

    def _segments(self, audio: Floats) -> list[Span]:
        padded = np.pad(audio, (0, -len(audio) % WINDOW))
        (probabilities,) = self._vad([padded], [VadState()])
        return join_spans(speech_spans(probabilities.tolist()), len(audio) / SAMPLE_RATE)

    def _words(self, audio: Floats) -> Iterator[Word]:
        segments, _ = self._whisper.transcribe(audio, language="en", word_timestamps=True, beam_size=5)
        for segment in segments:
            for word in segment.words:
                yield word.word.strip(), float(word.start), float(word.end)

    def recording(self, name: str, pcm: bytes, text: str | None) -> Recording:
        """Align a recording.

        Raises:
            UsageError: nobody speaks in it.
        """
        segments, words = self.align(floats(pcm))
        if not segments or not words:
            raise UsageError(
                f"nobody speaks in the recording {name!r}, as far as Silero VAD and Whisper hear"
            )
        return Recording(name, pcm, text, tuple(words), segments[0][0], segments[-1][1])


def _whisper() -> Any:
    try:
        from faster_whisper import WhisperModel

        from engines.whisper.checkpoint import EMBEDDED, locate
    except ImportError:
        raise UsageError(
            "to align recordings takes faster-whisper: pip install 'dalston-realtime[whisper]'"
        ) from None
    return WhisperModel(str(locate(EMBEDDED).folder), device="cpu", compute_type="int8", cpu_threads=2)


def floats(pcm: bytes) -> Floats:
    """16-bit samples as numbers from -1 to 1."""
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)


def speech_spans(probabilities: Sequence[float]) -> Iterator[Span]:
    """Yield the spans of windows that are speech, in seconds."""
    begin: int | None = None
    for i, probability in enumerate(probabilities):
        if begin is None and probability >= SPEECH:
            begin = i
        elif begin is not None and probability < SILENCE:
            yield begin * WINDOW_S, i * WINDOW_S
            begin = None
    if begin is not None:
        yield begin * WINDOW_S, len(probabilities) * WINDOW_S


def join_spans(spans: Iterable[Span], seconds: float) -> list[Span]:
    """Join spans with little silence between them, leave out very short ones, and cut all at `seconds`."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start - joined[-1][1] < MIN_SILENCE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(round(a, 3), round(min(b, seconds), 3)) for a, b in joined if b - a >= MIN_SPEECH]


def turns(segments: Sequence[Span]) -> list[tuple[Span, ...]]:
    """Group segments into turns of at least `TURN` seconds, divided only where the pause is long enough."""
    groups: list[list[Span]] = [[]]
    for segment in segments:
        group = groups[-1]
        if group and _length(group) >= TURN and segment[0] - group[-1][1] >= PAUSE:
            groups.append([])
        groups[-1].append(segment)
    if len(groups) > 1 and _length(groups[-1]) < TURN:
        last = groups.pop()
        groups[-1] += last
    return [tuple(group) for group in groups if group]


def _length(group: Sequence[Span]) -> float:
    return group[-1][1] - group[0][0]


def turn_edges(groups: Sequence[Sequence[Span]], seconds: float) -> list[float]:
    """The times at which turns begin and end: 0, the middle of each pause between turns, and `seconds`."""
    cuts = [round((a[-1][1] + b[0][0]) / 2, 3) for a, b in pairwise(groups)]
    return [0.0, *cuts, seconds]


def split_text(text: str, words: Sequence[Word], cuts: Sequence[float]) -> list[str]:
    """Split the reference text at the `cuts` (s), by the times of the words that Whisper recognized.

    A word that was recognized as another one has that one's time, a missed word that of the word before it.
    """
    true = text.split()
    parts: list[list[str]] = [[] for _ in cuts]
    part = 0
    for word, time in zip(true, _word_times(true, words), strict=True):
        while part < len(cuts) - 1 and time > cuts[part]:
            part += 1
        parts[part].append(word)
    return [" ".join(part) for part in parts]


def _word_times(true: Sequence[str], words: Sequence[Word]) -> list[float]:
    found = [normalized(word) for word, _, _ in words]
    middle = [(start + end) / 2 for _, start, end in words]
    times = [0.0] * len(true)
    matcher = difflib.SequenceMatcher(None, [normalized(word) for word in true], found, autojunk=False)
    for _, a, a_end, b, b_end in matcher.get_opcodes():
        for k in range(a, a_end):
            at = b + (k - a) * (b_end - b) // (a_end - a)
            times[k] = middle[at] if b < b_end else (times[k - 1] if k else 0.0)
    return times


def manifest_entries(file: str, pcm: bytes, text: str | None, aligner: Aligner) -> Iterator[dict[str, Any]]:
    """Yield the manifest's entries for a file: one for all of it, and one for each turn."""
    audio = floats(pcm)
    seconds = round(len(audio) / SAMPLE_RATE, 3)
    segments, words = aligner.align(audio)
    name = file.rpartition(".")[0]
    yield _entry(name, file, (0.0, seconds), (segments[0][0], segments[-1][1]), text, words)
    groups = turns(segments)
    edges = turn_edges(groups, seconds)
    parts = split_text(text, words, edges[1:]) if text is not None else [None] * len(groups)
    for i, (group, part) in enumerate(zip(groups, parts, strict=True)):
        span, spoken = (edges[i], edges[i + 1]), (group[0][0], group[-1][1])
        yield _entry(f"{name}-{i + 1:02}", file, span, spoken, part, words)


def _entry(
    name: str, file: str, span: Span, speech_span: Span, text: str | None, words: Sequence[Word]
) -> dict[str, Any]:
    start, end = span
    inside = [word for word in words if start <= (word[1] + word[2]) / 2 < end]
    return {
        "name": name,
        "file": file,
        "from": start,
        "to": end,
        "speech_start": round(speech_span[0] - start, 3),
        "speech_end": round(speech_span[1] - start, 3),
        "text": text,
        "words": [[w, round(max(0.0, a - start), 2), round(b - start, 2)] for w, a, b in inside],
    }


def main() -> None:
    """Write the manifest of the embedded recordings."""
    folder, aligner = audio_folder(), Aligner()
    found: list[dict[str, Any]] = []
    for file, text in REFERENCE_TEXTS.items():
        found += manifest_entries(file, read_pcm(folder / file), text, aligner)
    lines = b",\n".join(orjson.dumps(entry) for entry in found)
    MANIFEST.write_bytes(b"[\n" + lines + b"\n]\n")


if __name__ == "__main__":
    main()
