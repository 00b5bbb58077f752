"""Checks a session on the simulated clock: what comes, when, and that passes take their time."""

import random
from typing import Any

import numpy as np
import pytest

from bench.load.session_replay import PassTimes, SessionReplay
from bench.load.spoken_playback import replay_case
from bench.recordings.spoken_case import Ending, SaidPart, SpokenCase
from dalston_realtime.protocol.events import Final, Partial, SessionEnd
from dalston_realtime.protocol.parameters import SessionConfig
from tests.support.builders import SECOND, pcm
from tests.support.loud_vad import LoudIsSpeech
from tests.support.loud_words import LoudWords

WORD = pcm(np.full(SECOND, 20_000))  # A second of sound: two words.


def session(pass_s: float = 0.1, **config: Any) -> SessionReplay:
    times = PassTimes(pass_s, pass_s)
    return SessionReplay(LoudIsSpeech(), LoudWords(), SessionConfig(**config), times)


def finals(replay: SessionReplay) -> list[tuple[float, str]]:
    return [(round(t.at, 2), t.event.text.lower()) for t in replay.events if isinstance(t.event, Final)]


def test_partials_and_a_final_come_and_the_session_ends() -> None:
    replay = session()
    replay.play(WORD)
    replay.play_silence(1.0)
    replay.end()
    partials = [t.event.text.lower() for t in replay.events if isinstance(t.event, Partial)]
    assert partials
    assert partials[0] in ("word", "word word")
    ((at, text),) = finals(replay)
    assert text == "word word"
    assert 1.3 <= at <= 1.6
    assert isinstance(replay.events[-1].event, SessionEnd)


def test_a_final_is_later_where_a_pass_takes_longer() -> None:
    at = []
    for pass_s in (0.05, 0.6):
        replay = session(pass_s)
        replay.play(WORD)
        replay.play_silence(2.0)
        replay.end()
        at.append(finals(replay)[0][0])
    assert at[1] >= at[0] + 0.3


def test_a_flush_gets_its_text() -> None:
    replay = session()
    replay.play(WORD)
    replay.flush("f1")
    replay.wait(1.0)
    assert [
        (t.event.text.lower(), t.event.flush_id) for t in replay.events if isinstance(t.event, Final)
    ] == [("word word", "f1")]
    replay.end()


def test_audio_that_stops_coming_is_the_end_of_an_utterance() -> None:
    replay = session()
    replay.play(WORD)
    replay.time_out(300)
    replay.wait(1.0)
    assert [text for _, text in finals(replay)] == ["word word"]
    replay.end()


def test_a_file_that_is_sent_faster_takes_less_time() -> None:
    replay = session(0.01)
    replay.play(WORD * 2, pace=10.0)
    replay.end()
    ((at, text),) = finals(replay)
    assert text == "word word word word"
    assert at < 0.4


def test_audio_at_8_khz_is_resampled() -> None:
    replay = session(sample_rate=8_000)
    replay.play(pcm(np.full(SECOND, 20_000)))
    replay.play_silence(1.0)
    replay.end()
    assert [text for _, text in finals(replay)] == ["word word word word"]


def test_pass_times_lie_between_their_bounds() -> None:
    times = PassTimes(0.1, 0.2, random.Random(3))
    drawn = [times.next_s() for _ in range(50)]
    assert 0.1 <= min(drawn) < max(drawn) <= 0.2
    assert {times.comes_first() for _ in range(50)} == {True, False}


@pytest.mark.parametrize("ending", ["silence", "end", "flush"])
@pytest.mark.parametrize("rate", [16_000, 8_000])
def test_a_case_is_played_to_its_end(ending: Ending, rate: int) -> None:
    tone = (0.6 * np.sign(np.sin(np.arange(SECOND) / 20))).astype(np.float32)
    case = SpokenCase("numbers", "a", tone, (SaidPart("word word", 0, SECOND),), ending, rate)
    events = replay_case(case, LoudIsSpeech(), LoudWords(), "fast", None, seed=1)
    texts = [event.text.lower() for event in events if isinstance(event, Final) and event.text]
    assert texts == ["word word"]
    assert isinstance(events[-1], SessionEnd)
    assert events == replay_case(case, LoudIsSpeech(), LoudWords(), "fast", None, seed=1)
