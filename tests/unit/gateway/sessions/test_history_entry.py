"""What becomes of a session is told to the history, once it asks to be kept."""

from pathlib import Path

import msgspec

from dalston_realtime.protocol.events import (
    Final,
    Segment,
    ServerWarning,
    SessionBegin,
    SessionEnd,
    Word,
    encode_event,
)
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.history_entry import HistoryEntry, finals_of
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.state import SessionState
from storage.database import Database
from tests.support.histories import history_of, record_of, texts_of, written

ID = "a" * 32


def test_a_session_that_asks_for_it_is_kept(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    state = SessionState.new(ID, SessionConfig(store=True, metadata={"k": "v"}))
    with history_of(database) as history:
        entry = HistoryEntry(history, state)
        entry.add_event(SessionBegin(session_id=ID, model="tiny"), "w1")
        entry.add_event(Final(text="Hello.", utterance=1, words=(Word(word="Hello."),)), "w1")
        entry.add_event(Final(text="", utterance=2), "w1")
        entry.add_event(ServerWarning(code="worker_lost", message="lost"), "w1")
        entry.follow("w2")
        entry.add_resume()
        entry.add_event(SessionEnd(speech_duration=1.5), "w2")
        entry.finish(SessionOutcome(None))
        written(history)
    record = record_of(database, ID)
    assert record is not None
    assert (record.status, record.reason, record.speech_seconds) == ("ended", "client_gone", 1.5)
    assert (record.workers, record.failovers, record.resumes) == (["w1", "w2"], 1, 1)
    assert (record.labels, texts_of(database)) == ({"k": "v"}, ["Hello."])
    database.close()


def test_one_that_does_not_is_not(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    with history_of(database) as history:
        for requested in (SessionConfig(), SessionConfig(store=False)):
            entry = HistoryEntry(history, SessionState.new(ID, requested))
            entry.add_event(SessionBegin(session_id=ID), "w1")
            entry.take_over()
            entry.finish(SessionOutcome(None))
        database.migrate()
        written(history)
    assert record_of(database, ID) is None
    database.close()


def test_a_checkpoint_has_whole_finals_and_the_texts_of_older_ones() -> None:
    final = Final(text="two", utterance=2, start=1.0, end=2.0, confidence=0.5, seq=9)
    fields = {
        "header": b"{}",
        "a1": b"\x00\x01",
        "f1": msgspec.json.encode(Segment(utterance=1, text="one", start=0.0, end=1.0)),
        "f2": msgspec.json.encode(Segment(utterance=2, text="two", start=1.0, end=2.0)),
        "e9": encode_event(final),
        "w4": encode_event(Final(text="three", utterance=3)),
        "w5": encode_event(SessionEnd()),
    }
    found = finals_of(fields)
    assert [(each.number, each.text, each.confidence) for each in found] == [
        (1, "one", None), (2, "two", 0.5), (3, "three", None),
    ]  # fmt: skip
