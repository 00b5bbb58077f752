"""What was heard is divided by who speaks, and tied to what was heard live."""

from dalston_realtime.protocol.jobs import SpokenWord
from enhancement.artifacts import Diarized, Heard, HeardPiece, Named, SpeakerTurn
from enhancement.segments import DraftSegment, make_segments
from enhancement.stage_work import LiveUtterance
from enhancement.stages.merge import live_numbers


def piece(start: float, end: float, text: str, *, timed: bool = False, channel: int = 0) -> HeardPiece:
    words = text.split()
    step = (end - start) / len(words)
    spoken = tuple(
        SpokenWord(word=w, start=round(start + n * step, 3), end=round(start + (n + 1) * step, 3))
        for n, w in enumerate(words)
    )
    return HeardPiece(start=start, end=end, text=text, words=spoken if timed else (), channel=channel)


def turns(*spans: tuple[float, float, str]) -> Diarized:
    return Diarized(turns=tuple(SpeakerTurn(start=a, end=b, speaker=who) for a, b, who in spans))


def said(segments: tuple[DraftSegment, ...]) -> list[tuple[str | None, str]]:
    return [(each.speaker, each.text) for each in segments]


def test_without_speakers_the_pieces_are_the_segments() -> None:
    found = make_segments(Heard(pieces=(piece(0, 2, "one two"), piece(3, 4, "three"))), None)
    assert said(found) == [(None, "one two"), (None, "three")]
    assert [each.id for each in found] == [1, 2]
    assert all(word.start is None for each in found for word in each.words)


def test_words_with_times_go_to_who_speaks_then() -> None:
    heard = Heard(pieces=(piece(0, 6, "a b c d e f", timed=True),))
    found = make_segments(heard, turns((0, 3, "S1"), (3, 6, "S2")))
    assert said(found) == [("S1", "a b c"), ("S2", "d e f")]
    assert (found[0].end, found[1].start) == (3.0, 3.0)
    assert {word.speaker for word in found[1].words} == {"S2"}


def test_words_without_times_change_at_the_end_of_a_sentence() -> None:
    heard = Heard(pieces=(piece(0, 8, "Do you hear me now? Yes I do hear you."),))
    found = make_segments(heard, turns((0, 3.4, "S1"), (3.4, 8, "S2")))
    assert said(found) == [("S1", "Do you hear me now?"), ("S2", "Yes I do hear you.")]


def test_a_long_pause_of_one_speaker_is_two_segments_and_a_short_one_is_not() -> None:
    heard = Heard(pieces=(piece(0, 1, "one"), piece(1.5, 2, "two"), piece(4, 5, "three")))
    assert said(make_segments(heard, turns((0, 5, "S1")))) == [("S1", "one two"), ("S1", "three")]


def test_labels_of_the_names_are_shown() -> None:
    found = make_segments(
        Heard(pieces=(piece(0, 1, "one"),)), turns((0, 1, "S1")), Named(labels={"S1": "S7"})
    )
    assert said(found) == [("S7", "one")]


def test_overlap_is_marked() -> None:
    diarized = Diarized(
        turns=(
            SpeakerTurn(start=0, end=4, speaker="S1"),
            SpeakerTurn(start=2, end=4, speaker="S2", overlap=True),
        )
    )
    heard = Heard(pieces=(piece(0, 4, "a b c d", timed=True),))
    assert [each.overlap for each in make_segments(heard, diarized)] == [True]


def test_channels_that_are_apart_stay_apart() -> None:
    heard = Heard(pieces=(piece(0, 1, "one"), piece(0, 1, "uno", channel=1)))
    assert [each.channel for each in make_segments(heard, None, separate=True)] == [0, 1]


def live(number: int, start: float, end: float, channel: int = 0) -> LiveUtterance:
    return LiveUtterance(number=number, start=start, end=end, text="x", channel=channel)


def draft(key: int, start: float, end: float, channel: int | None = None) -> DraftSegment:
    return DraftSegment(id=key, start=start, end=end, text="x", channel=channel)


def test_each_live_utterance_is_covered_by_who_shares_its_time() -> None:
    drafts = [draft(1, 0, 5), draft(2, 5, 6), draft(3, 10, 12)]
    utterances = [live(1, 0, 2), live(2, 2.2, 4.8), live(3, 4.9, 6.1), live(4, 9, 10.2), live(5, 20, 21)]
    assert live_numbers(drafts, utterances) == {1: (1, 2), 2: (3,), 3: (4,)}


def test_an_utterance_of_two_speakers_is_covered_by_both() -> None:
    assert live_numbers([draft(1, 0, 2), draft(2, 2, 4)], [live(7, 0, 4)]) == {1: (7,), 2: (7,)}


def test_utterances_of_other_channels_are_not_covered() -> None:
    assert live_numbers([draft(1, 0, 2, channel=1)], [live(1, 0, 2), live(1, 0, 2, channel=1)]) == {1: (1,)}
