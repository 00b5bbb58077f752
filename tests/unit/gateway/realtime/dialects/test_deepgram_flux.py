"""Flux as frames in and out: turns over utterances, thresholds as silence, forced ends."""

from typing import Any

import msgspec
import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Final, Partial, ServerWarning, SpeechEnd, SpeechStart, Word
from gateway.realtime.dialects.actions import Actions, AppendAudio, ChangeSession, EndSession, FlushSession
from gateway.realtime.dialects.deepgram_flux import DeepgramFlux, FluxConversation
from gateway.realtime.dialects.dialect import Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.turn_thresholds import TurnThresholds
from gateway.sessions.outcome import SessionOutcome
from tests.support.dialect_clients import told


def opening(**query: str) -> Opening:
    """What a request means."""
    asked = {"encoding": "linear16", "sample_rate": "16000", "model": "flux-general-en"} | query
    return DeepgramFlux(lambda: "id").open(Handshake(tuple(asked.items())))


def conversation(**query: str) -> FluxConversation:
    """A connection."""
    asked = opening(**query)
    spoken = asked.begin(asked.config)
    assert isinstance(spoken, FluxConversation)
    return spoken


def turns(actions: Actions) -> list[tuple[Any, ...]]:
    """Event, turn and text of each message about a turn, and the trigger of its end."""
    found = [each for each in told(actions) if each["type"] == "TurnInfo"]
    names = ("event", "turn_index", "transcript", "trigger")
    return [tuple(each[name] for name in names if name in each) for each in found]


@pytest.mark.parametrize(
    ("thresholds", "silence", "utterance", "trigger"),
    [
        (TurnThresholds(), 0.7, 700, "model"),
        (TurnThresholds(0.5), 0.3, 300, "model"),
        (TurnThresholds(0.9), 1.1, 1100, "model"),
        (TurnThresholds(1.0), 5.0, 3000, "timeout"),
        (TurnThresholds(0.9, None, 500), 0.5, 500, "timeout"),
        (TurnThresholds(0.7, 0.5), 0.7, 350, "model"),
        (TurnThresholds(0.5, 0.3), 0.3, 100, "model"),
    ],
)
def test_thresholds_are_lengths_of_silence(
    thresholds: TurnThresholds, silence: float, utterance: int, trigger: str
) -> None:
    assert thresholds.silence_s == pytest.approx(silence)
    assert (thresholds.min_silence_ms, thresholds.trigger) == (utterance, trigger)
    assert thresholds.ends_with_utterance == (utterance == round(silence * 1000))


@pytest.mark.parametrize(
    "query",
    [
        {"eot_threshold": "0.4"},
        {"eager_eot_threshold": "x"},
        {"eot_timeout_ms": "nan"},
        {"redact": "pci"},
        {"encoding": "g729"},
    ],
)
def test_what_is_out_of_range_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter) as refused:
        opening(**query)
    assert refused.value.param == next(iter(query))


def test_a_request_becomes_parameters() -> None:
    asked = opening(eot_threshold="0.9", language_hint="de", numerals="true", keyterm="Bath")
    assert (asked.config.min_silence_ms, asked.config.language) == (1100, "de")
    assert (asked.config.vocabulary, asked.ignored) == (("Bath",), ("numerals",))
    assert opening(encoding="", sample_rate="").config.encoding == "container"


def test_a_turn_begins_with_text_and_ends_with_its_utterance() -> None:
    spoken = conversation()
    assert told(spoken.greet()) == [{"type": "Connected", "sequence_id": 0, "request_id": "id"}]
    assert told(spoken.translate(SpeechStart(timestamp=0.4))) == []  # It may be a noise.
    assert told(spoken.translate(Partial(text=""))) == []
    (first,) = told(spoken.translate(Partial(text="Hello", start=0.2, end=0.7)))
    assert first == {
        "type": "TurnInfo",
        "event": "StartOfTurn",
        "turn_index": 0,
        "audio_window_start": 0.2,
        "audio_window_end": 0.7,
        "transcript": "Hello",
        "words": [{"word": "Hello", "confidence": 0.0}],
        "end_of_turn_confidence": 0.0,
        "sequence_id": 1,
        "request_id": "id",
    }
    assert turns(spoken.translate(Partial(text="Hello you", end=0.9))) == [("Update", 0, "Hello you")]
    spoken.translate(SpeechEnd(timestamp=1.2))
    words = (Word(word="Hello,", start=0.3, end=0.6, confidence=0.9), Word(word="you."))
    (end,) = told(spoken.translate(Final(text="Hello, you.", start=0.2, end=1.2, words=words)))
    assert (end["event"], end["trigger"], end["end_of_turn_confidence"]) == ("EndOfTurn", "model", 1.0)
    assert end["words"][0] == {"word": "Hello,", "confidence": 0.9, "start": 0.3, "end": 0.6}
    assert turns(spoken.translate(Partial(text="And", start=2.0))) == [("StartOfTurn", 1, "And")]


def test_a_final_without_a_partial_begins_its_turn() -> None:
    spoken = conversation()
    spoken.translate(SpeechEnd(timestamp=1.0))
    said = turns(spoken.translate(Final(text="Yes.", start=0.5, end=1.0)))
    assert said == [("StartOfTurn", 0, "Yes."), ("EndOfTurn", 0, "Yes.", "model")]


def test_a_partial_that_heard_the_silence_does_not_hold_a_turn_open() -> None:
    spoken = conversation()
    spoken.translate(Partial(text="Yes.", start=0.0, end=3.5))
    spoken.translate(SpeechEnd(timestamp=2.8))
    assert turns(spoken.translate(Final(text="Yes.", end=2.8))) == [("EndOfTurn", 0, "Yes.", "model")]


def test_who_is_cut_at_the_longest_utterance_goes_on_with_the_turn() -> None:
    spoken = conversation()
    spoken.translate(Partial(text="On and", start=0.0, end=11.0))
    assert turns(spoken.translate(Final(text="On and on", end=12.0))) == [("Update", 0, "On and on")]
    spoken.translate(SpeechEnd(timestamp=13.0))
    end = ("EndOfTurn", 0, "On and on to here.", "model")
    assert turns(spoken.translate(Final(text="to here.", start=12.0, end=13.0))) == [end]


def test_an_eager_end_is_taken_back_or_becomes_the_end() -> None:
    spoken = conversation(eager_eot_threshold="0.5")
    spoken.translate(Partial(text="Well", start=0.2, end=0.5))
    spoken.translate(SpeechEnd(timestamp=1.0))
    (eager,) = told(spoken.translate(Final(text="Well,", start=0.2, end=1.0)))
    assert (eager["event"], eager["end_of_turn_confidence"]) == ("EagerEndOfTurn", 0.5)
    assert turns(spoken.on_heard(1.6)) == []
    spoken.translate(SpeechStart(timestamp=1.6))
    assert turns(spoken.on_heard(1.9)) == []  # Somebody speaks.
    assert turns(spoken.translate(Partial(text="yes", end=1.9))) == [("TurnResumed", 0, "Well, yes")]
    spoken.translate(SpeechEnd(timestamp=2.0))
    assert turns(spoken.translate(Final(text="yes.", end=2.0))) == [("EagerEndOfTurn", 0, "Well, yes.")]
    assert turns(spoken.on_heard(2.8)) == [("EndOfTurn", 0, "Well, yes.", "model")]
    assert turns(spoken.on_heard(9.0)) == []


def test_a_noise_without_words_does_not_hold_a_turn_open() -> None:
    spoken = conversation(eot_threshold="1.0")
    spoken.translate(SpeechEnd(timestamp=1.0))
    spoken.translate(Final(text="Well,", start=0.2, end=1.0))
    spoken.translate(SpeechStart(timestamp=4.0))
    assert turns(spoken.on_heard(7.0)) == []
    spoken.translate(Final(text="", start=4.0, end=4.2))
    assert turns(spoken.on_heard(6.0)) == [("EndOfTurn", 0, "Well,", "timeout")]


def test_a_forced_end_is_answered_in_a_turn_and_ignored_outside() -> None:
    spoken = conversation()
    assert told(spoken.receive('{"type":"ForceEndTurn"}')) == [FlushSession("force-end-turn")]
    assert told(spoken.translate(Final(text="", flush_id="force-end-turn"))) == []
    spoken.translate(Partial(text="And", start=2.0))
    said = turns(spoken.translate(Final(text="And then", flush_id="force-end-turn")))
    assert said == [("EndOfTurn", 0, "And then", "manual")]


@pytest.mark.parametrize(
    ("frame", "actions"),
    [
        (b"\0" * 640, [AppendAudio(b"\0" * 640)]),
        ('{"type":"CloseStream"}', [EndSession()]),
        ('{"type":"KeepAlive"}', []),
        ("{}", []),
    ],
)
def test_what_a_frame_means(frame: str | bytes, actions: list[Any]) -> None:
    assert told(conversation().receive(frame)) == actions


@pytest.mark.parametrize("frame", ["", "[]", "[" * 100_000])
def test_what_cannot_be_read_is_a_warning(frame: str) -> None:
    (warning,) = told(conversation().receive(frame))
    assert (warning["type"], warning["sequence_id"]) == ("Warning", 0)


@pytest.mark.parametrize("thresholds", [{"eot_threshold": 2}, {"eot_timeout_ms": "x"}, {"eot_threshold": []}])
def test_a_bad_threshold_changes_nothing(thresholds: Any) -> None:
    spoken = conversation()
    frame = msgspec.json.encode({"type": "Configure", "thresholds": thresholds}).decode()
    (failure,) = told(spoken.receive(frame))
    assert (failure["type"], failure["error_code"]) == ("ConfigureFailure", failure["code"])


def test_what_is_in_force_is_said() -> None:
    spoken = conversation(keyterm="Bath")
    asked = {"thresholds": {"eot_threshold": 0.9}, "language_hints": ["de", "fr"], "keyterms": ["X"]}
    frame = msgspec.json.encode({"type": "Configure", **asked}).decode()
    change, answer = told(spoken.receive(frame))
    assert isinstance(change, ChangeSession)
    assert (change.config.min_silence_ms, change.config.language) == (1100, "auto")
    thresholds = {"eot_threshold": 0.9, "eager_eot_threshold": None, "eot_timeout_ms": 5000}
    assert (answer["type"], answer["thresholds"], answer["keyterms"]) == (
        "ConfigureSuccess",
        thresholds,
        ["Bath"],
    )
    assert [each["type"] for each in told(spoken.receive('{"type":"Configure","thresholds":7}'))] == [
        "ConfigureSuccess"
    ]


def test_warnings_are_passed_on() -> None:
    (warning,) = told(conversation().translate(ServerWarning(code="processing_lag", message="slow")))
    assert (warning["code"], warning["description"]) == ("PROCESSING_LAG", "slow")


def test_an_open_turn_ends_with_the_stream() -> None:
    spoken = conversation()
    spoken.translate(Partial(text="And", start=2.0))
    end, close = told(spoken.conclude(SessionOutcome(CloseCode.NORMAL)))
    assert (end["event"], end["trigger"], close) == ("EndOfTurn", "manual", (1000, ""))
    assert told(conversation().conclude(SessionOutcome(CloseCode.NORMAL))) == [(1000, "")]


def test_a_fault_of_ours_is_an_error() -> None:
    error, close = told(conversation().conclude(SessionOutcome.error(CloseCode.INTERNAL, "a fault")))
    assert (error["type"], error["description"], close[0]) == ("Error", "a fault", 1011)
