"""Audio in, when somebody speaks and each word's time out: Silero VAD and Whisper tiny.en, offline.

`python -m bench.load.align` writes the manifest of the embedded recordings anew.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from bench.load.recordings import MANIFEST, WHEEL, Recording, Word, read_pcm
from bench.load.texts import TEXTS
from bench.measure.text_errors import plain
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.silero import WINDOW, SileroVad, VadState
from runtime.wheels import folder_of

Floats: TypeAlias = npt.NDArray[np.float32]
Span: TypeAlias = tuple[float, float]

SPEECH: Final = 0.5  # probability from which a window is speech; silero-vad's own two thresholds
SILENCE: Final = 0.35
MIN_SILENCE: Final = 0.1  # s; a shorter one does not end a segment
MIN_SPEECH: Final = 0.1  # s; a shorter sound is none
TURN: Final = 2.5  # s of audio at least in one turn
PAUSE: Final = 0.3  # s between two segments where turns may be parted
WINDOW_S: Final = WINDOW / SAMPLE_RATE


class Aligner:
    """The two models, loaded once.

    Raises:
        UsageError: faster-whisper or its embedded model is not installed.
    """

    def __init__(self) -> None:
        self._vad = SileroVad()
        self._whisper = _whisper()

    def heard(self, audio: Floats) -> tuple[list[Span], list[Word]]:
        """Where somebody speaks, and each word with its start and end, in seconds.

        Each turn is transcribed by itself: what is said often would be left out of a longer text.
        """
        segments = self._segments(audio)
        edges = edges_of(turns(segments), len(audio) / SAMPLE_RATE) if segments else []
        words: list[Word] = []
        for start, end in pairwise(edges):
            turn = audio[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
            words += [(word, round(start + a, 2), round(start + b, 2)) for word, a, b in self._words(turn)]
        return segments, words

    def _segments(self, audio: Floats) -> list[Span]:
        padded = np.pad(audio, (0, -len(audio) % WINDOW))
        (probabilities,) = self._vad([padded], [VadState()])
        return joined(speech(probabilities.tolist()), len(audio) / SAMPLE_RATE)

    def _words(self, audio: Floats) -> Iterator[Word]:
        segments, _ = self._whisper.transcribe(audio, language="en", word_timestamps=True, beam_size=5)
        for segment in segments:
            for word in segment.words:
                yield word.word.strip(), float(word.start), float(word.end)

    def recording(self, name: str, pcm: bytes, text: str | None) -> Recording:
        """A recording with all that is to be known of it.

        Raises:
            UsageError: nobody speaks in it.
        """
        segments, words = self.heard(floats(pcm))
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


def speech(probabilities: Sequence[float]) -> Iterator[Span]:
    """Runs of windows that are speech, in seconds."""
    begin: int | None = None
    for i, probability in enumerate(probabilities):
        if begin is None and probability >= SPEECH:
            begin = i
        elif begin is not None and probability < SILENCE:
            yield begin * WINDOW_S, i * WINDOW_S
            begin = None
    if begin is not None:
        yield begin * WINDOW_S, len(probabilities) * WINDOW_S


def joined(spans: Iterable[Span], seconds: float) -> list[Span]:
    """Spans with little silence between them made one, and very short ones left out, up to `seconds`."""
    whole: list[Span] = []
    for start, end in spans:
        if whole and start - whole[-1][1] < MIN_SILENCE:
            whole[-1] = (whole[-1][0], end)
        else:
            whole.append((start, end))
    return [(round(a, 3), round(min(b, seconds), 3)) for a, b in whole if b - a >= MIN_SPEECH]


def turns(segments: Sequence[Span]) -> list[tuple[Span, ...]]:
    """Segments in groups of at least `TURN` seconds, parted only where the pause is long enough."""
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


def edges_of(groups: Sequence[Sequence[Span]], seconds: float) -> list[float]:
    """Where one turn ends and the next begins: mid-pause; the first is 0, the last `seconds`."""
    cuts = [round((a[-1][1] + b[0][0]) / 2, 3) for a, b in pairwise(groups)]
    return [0.0, *cuts, seconds]


def texts_of(text: str, words: Sequence[Word], cuts: Sequence[float]) -> list[str]:
    """The true text in parts: what was said before each cut (s), by the words that the pass found.

    A word that it heard as another one goes with that, a word that it did not hear with the one before it.
    """
    true = text.split()
    parts: list[list[str]] = [[] for _ in cuts]
    part = 0
    for word, time in zip(true, _times(true, words), strict=True):
        while part < len(cuts) - 1 and time > cuts[part]:
            part += 1
        parts[part].append(word)
    return [" ".join(part) for part in parts]


def _times(true: Sequence[str], words: Sequence[Word]) -> list[float]:
    found = [plain(word) for word, _, _ in words]
    middle = [(start + end) / 2 for _, start, end in words]
    times = [0.0] * len(true)
    matcher = difflib.SequenceMatcher(None, [plain(word) for word in true], found, autojunk=False)
    for _, a, a_end, b, b_end in matcher.get_opcodes():
        for k in range(a, a_end):
            at = b + (k - a) * (b_end - b) // (a_end - a)
            times[k] = middle[at] if b < b_end else (times[k - 1] if k else 0.0)
    return times


def entries(file: str, pcm: bytes, text: str | None, aligner: Aligner) -> Iterator[dict[str, Any]]:
    """What the manifest says of a file: whole, and each turn."""
    audio = floats(pcm)
    seconds = round(len(audio) / SAMPLE_RATE, 3)
    segments, words = aligner.heard(audio)
    name = file.rpartition(".")[0]
    yield _entry(name, file, (0.0, seconds), (segments[0][0], segments[-1][1]), text, words)
    groups = turns(segments)
    edges = edges_of(groups, seconds)
    parts = texts_of(text, words, edges[1:]) if text is not None else [None] * len(groups)
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
    folder, aligner = folder_of("moonshine_voice", WHEEL) / "assets", Aligner()
    found: list[dict[str, Any]] = []
    for file, text in TEXTS.items():
        found += entries(file, read_pcm(folder / file), text, aligner)
    lines = b",\n".join(orjson.dumps(entry) for entry in found)
    MANIFEST.write_bytes(b"[\n" + lines + b"\n]\n")


if __name__ == "__main__":
    main()
