"""Tests Moonshine with its real weights: known recordings, batches, drafts, and strange audio."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.recordings.signals import generate
from engines.base import Floats, Job, Transcript
from engines.moonshine.checkpoints import FILES, TINY
from engines.moonshine.engine import Moonshine
from engines.moonshine.tokens import Tokenizer
from engines.repetition import remove_repetition
from runtime.errors import StartupError
from stages.vad.adaptive_delay import LIKELY, UNLIKELY
from tests.support.recordings import BECKETT, recording

SECOND = 16_000
UTTERANCES = [(0.0, 4.6), (4.6, 9.96), (0.0, 1.5), (1.5, 4.6)]  # s, of beckett.wav


@pytest.fixture(scope="module")
def engine() -> Moonshine:
    return Moonshine(threads=2)


@pytest.fixture(scope="module")
def beckett() -> Floats:
    return recording("beckett.wav")


def words(text: str) -> list[str]:
    """A text without case and punctuation."""
    return re.sub(r"[^\w' ]", "", text.lower()).split()


def alone(engine: Moonshine, jobs: Iterable[Job]) -> list[Transcript]:
    return [engine.transcribe([job])[0] for job in jobs]


def test_a_known_recording_is_heard(engine: Moonshine, beckett: Floats) -> None:
    (heard,) = engine.transcribe([Job(beckett)])
    assert words(heard.text) == words(BECKETT)
    assert not heard.cut_off
    assert heard.language == "en"


def test_another_recording_is_heard(engine: Moonshine) -> None:
    (heard,) = engine.transcribe([Job(recording("two_cities.wav")[: 6 * SECOND])])
    assert words(heard.text)[:12] == words("It was the best of times, it was the worst of times")


def test_a_batch_gives_what_each_gives_alone(engine: Moonshine, beckett: Floats) -> None:
    jobs = [Job(beckett[int(a * SECOND) : int(b * SECOND)]) for a, b in UTTERANCES]
    together = engine.transcribe(jobs)
    assert [words(t.text) for t in together] == [words(t.text) for t in alone(engine, jobs)]
    backwards = engine.transcribe(jobs[::-1])[::-1]
    assert [words(t.text) for t in backwards] == [words(t.text) for t in together]


@pytest.mark.parametrize("name", ["beckett.wav", "two_cities.wav"])
def test_a_draft_does_not_change_the_words_that_are_heard(engine: Moonshine, name: str) -> None:
    """Quantization depends on all that is in a pass, so that a tie may break differently: one of seven."""
    draft: tuple[int, ...] = ()
    differ, audio = 0, recording(name)
    for end in range(1, 8):
        (plain,) = engine.transcribe([Job(audio[: end * SECOND])])
        (drafted,) = engine.transcribe([Job(audio[: end * SECOND], draft)])
        differ += words(plain.text) != words(drafted.text)
        draft = drafted.tokens
    assert differ <= 1


@pytest.mark.parametrize("draft", [(), (7, 8, 9), tuple(range(3, 300))], ids=["none", "short", "endless"])
def test_a_draft_that_is_wrong_changes_nothing(
    engine: Moonshine, beckett: Floats, draft: tuple[int, ...]
) -> None:
    (heard,) = engine.transcribe([Job(beckett[: int(4.6 * SECOND)], draft)])
    assert words(heard.text) == words("Ever tried. Ever failed. No matter.")


def test_drafts_of_different_lengths_go_in_one_batch(engine: Moonshine, beckett: Floats) -> None:
    jobs = [Job(beckett[int(a * SECOND) : int(b * SECOND)]) for a, b in UTTERANCES]
    plain = engine.transcribe(jobs)
    drafts = [t.tokens[:k] for t, k in zip(plain, (0, 3, 1_000, 6), strict=True)]
    drafted = engine.transcribe([Job(job.audio, d) for job, d in zip(jobs, drafts, strict=True)])
    assert [words(t.text) for t in drafted] == [words(t.text) for t in plain]


def test_what_follows_a_prefix_is_the_transcript(engine: Moonshine, beckett: Floats) -> None:
    first, both = Job(beckett[: int(1.5 * SECOND)]), beckett[: int(4.6 * SECOND)]
    prefix = engine.transcribe([first])[0]
    (whole,) = engine.transcribe([Job(both)])
    (rest,) = engine.transcribe([Job(both, prefix=prefix.tokens)])
    assert words(prefix.text) + words(rest.text) == words(whole.text)
    assert rest.tokens[: len(prefix.tokens)] != prefix.tokens
    (drafted,) = engine.transcribe([Job(both, rest.tokens, prefix.tokens)])
    assert words(drafted.text) == words(rest.text)


def test_a_prefix_stays_whatever_the_audio_says(engine: Moonshine, beckett: Floats) -> None:
    """It is not the model's to choose: what follows is not moved into it, or taken out of it."""
    prefix = engine.transcribe([Job(recording("two_cities.wav")[: 3 * SECOND])])[0].tokens
    jobs = [Job(beckett[: 2 * SECOND], prefix=prefix), Job(beckett[: 2 * SECOND])]
    with_prefix, without = engine.transcribe(jobs)
    assert words(with_prefix.text)[:3] != words("It was the")
    assert words(without.text)[:2] == words("Ever tried")


@pytest.mark.parametrize("sound", ["silence", "white noise, -20 dB", "pink noise, -25 dB"])
def test_nothing_is_heard_where_nobody_speaks(engine: Moonshine, sound: str) -> None:
    jobs = [Job(generate(sound, seconds, seed=1)) for seconds in (0.3, 1.5, 4.0)]
    assert [heard.text for heard in alone(engine, jobs)] == ["", "", ""]


def test_it_knows_whether_a_sentence_is_over(engine: Moonshine) -> None:
    """Behind "it was the worst of times" and behind "in short" (s, of two_cities.wav)."""
    audio = recording("two_cities.wav")
    over, open_ = (
        engine.transcribe([Job(audio[int(a * SECOND) : int(b * SECOND)])])[0].finished
        for a, b in ((1.0, 4.75), (28.9, 29.8))
    )
    assert over is not None
    assert open_ is not None
    assert 0 <= open_ < UNLIKELY
    assert LIKELY < over <= 1


def test_what_it_knows_of_the_end_does_not_depend_on_the_draft(engine: Moonshine, beckett: Floats) -> None:
    job = Job(beckett[: int(4.6 * SECOND)])
    (plain,) = engine.transcribe([job])
    for count in (3, len(plain.tokens) - 1, len(plain.tokens)):
        (drafted,) = engine.transcribe([Job(job.audio, plain.tokens[:count])])
        assert drafted.finished == pytest.approx(plain.finished, abs=0.1)


@pytest.mark.parametrize("samples", [0, 1, 160, 800, 1_600, 4_000])
def test_short_audio_is_no_error(engine: Moonshine, beckett: Floats, samples: int) -> None:
    for audio in (beckett[SECOND : SECOND + samples], np.zeros(samples, np.float32)):
        (heard,) = engine.transcribe([Job(audio)])
        assert len(heard.tokens) <= 6


def test_short_and_long_audio_go_in_one_batch(engine: Moonshine, beckett: Floats) -> None:
    jobs = [Job(beckett[:0]), Job(beckett[: int(4.6 * SECOND)]), Job(beckett[SECOND : SECOND + 800])]
    together = engine.transcribe(jobs)
    assert words(together[1].text) == words("Ever tried. Ever failed. No matter.")
    assert len(together) == 3


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_silence_ends_soon(engine: Moonshine, seconds: float) -> None:
    (heard,) = engine.transcribe([Job(np.zeros(int(seconds * SECOND), np.float32))])
    assert len(heard.tokens) <= seconds * 6.5 + 2


def test_what_it_is_and_can_do(engine: Moonshine) -> None:
    info = engine.info
    assert (info.variant, info.name, info.languages) == ("fast", "moonshine-tiny-en", ("en",))
    can = {name for name, can in info.features.items() if can}
    assert can == {"interim_results", "word_timestamps", "requires_vad"}


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path, missing: str) -> None:
    for name in set(FILES) - {missing}:
        (tmp_path / name).symlink_to(TINY.folder() / name)
    with pytest.raises(StartupError, match=r"pip install moonshine-voice==0\.1\.0") as refused:
        Moonshine(tmp_path)
    assert missing in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_missing_wheel_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.wheels.find_spec", lambda _: None)
    with pytest.raises(StartupError, match="moonshine-voice is not installed; pip install"):
        Moonshine()


class TestTokenizer:
    """Token numbers in, text out."""

    def test_pieces_become_text(self, tmp_path: Path) -> None:
        pieces = [
            b"<unk>",
            b"<s>",
            b"</s>",
            "▁Zü".encode(),
            b"rich",
            "▁".encode(),
            b"\xe6\x9d",
            b"\xb1",
            b"x" * 300,
        ]
        data = b""
        for piece in pieces:
            size = len(piece)
            data += (bytes([size]) if size < 128 else bytes([size % 128 + 128, size // 128])) + piece
        (tmp_path / "tokenizer.bin").write_bytes(data)
        tokenizer = Tokenizer.read(tmp_path / "tokenizer.bin")
        assert tokenizer.text([1, 3, 4, 2]) == "Zürich"
        assert tokenizer.text([3, 4, 5, 6, 7]) == "Zürich 東"
        assert tokenizer.text([6]) == ""  # half a character
        assert tokenizer.text([8]) == "x" * 300
        assert tokenizer.text([32_007, 3]) == "Zü"

    @pytest.mark.parametrize(
        ("pieces", "text", "words"),
        [
            ([b".", "▁No".encode(), b",", "▁no".encode(), b"."], "No, no.", 2),
            ([b",", b".", "▁No".encode()], "No", 1),
            ([b"."], "", 0),
            ([b".", b"5", "▁percent".encode()], ".5 percent", 2),
            ([b'"', b"No", b'"'], '"No"', 1),
        ],
    )
    def test_a_mark_that_ends_the_sentence_before_does_not_begin_the_text(
        self, pieces: list[bytes], text: str, words: int
    ) -> None:
        tokenizer, tokens = Tokenizer([b""] * 3 + pieces), range(3, 3 + len(pieces))
        assert tokenizer.text(tokens) == text
        assert len(tokenizer.word_probabilities(tokens, [0.5] * len(tokens))) == words

    @pytest.mark.parametrize("data", [b"\x05abc", b"\x80", b"\x03ab"])
    def test_a_damaged_file_is_named(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "tokenizer.bin").write_bytes(data)
        with pytest.raises(StartupError, match=r"tokenizer\.bin is damaged; reinstall"):
            Tokenizer.read(tmp_path / "tokenizer.bin")


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        ([], []),
        ([5], [5]),
        ([5, 6, 7, 8], [5, 6, 7, 8]),
        ([5, 6, 6], [5, 6, 6]),
        ([5, 6, 6, 6, 6], [5, 6]),
        ([5, 6, 7, 6, 7, 6, 7], [5, 6, 7]),
        ([1, 2, 3, 1, 2, 3, 1, 2], [1, 2, 3]),
    ],
)
def test_what_is_said_again_and_again_at_the_end_is_said_once(tokens: list[int], kept: list[int]) -> None:
    assert remove_repetition(tokens) == kept


@given(st.lists(st.integers(3, 6), max_size=20))
def test_a_repetition_is_cut_off_at_the_end_only(tokens: list[int]) -> None:
    kept = remove_repetition(tokens)
    assert tokens[: len(kept)] == kept
