"""What has ended is told once, whoever looks."""

import json
from datetime import timedelta

from storage.database import Database
from storage.jobs.webhook_events import LOOK_BACK, WebhookEvents
from storage.jobs.webhooks import WebhookStore
from storage.tables import LOCAL
from tests.support.histories import NOON, MovedClock, begun, history_of, written
from tests.support.job_rooms import JobRoom

URL = "https://example.com/hook"


def test_ended_sessions_and_jobs_are_told_once(database: Database) -> None:
    clock, room = MovedClock(), JobRoom(database)
    events = WebhookEvents(database, URL, clock.now)
    with history_of(database, clock) as history:
        kept = begun(history, f"{1:032x}", metadata={"room": "7"}, model="tiny")
        written(history)
        assert events.collect() == 0
        kept.finish("ended", "normal", audio_seconds=3.0)
        written(history)
    done = room.store.create(LOCAL, {}, input_key="x")
    failed = room.store.create(LOCAL, {}, input_key="y")
    assert events.collect() == 1
    room.finish_all(done)
    assert room.leases.fail(room.take(failed), "it is no audio", final=True)
    assert events.collect() == 2
    assert WebhookEvents(database, URL, clock.now).collect() == 0
    bodies = {each.kind: json.loads(each.body) for each in WebhookStore(database, clock.now).due()}
    assert bodies["session.ended"] == {
        "event_id": f"session.ended.{1:032x}",
        "type": "session.ended",
        "created": "2026-05-04T12:00:00.000Z",
        "data": {
            "session_id": f"{1:032x}",
            "begun_at": "2026-05-04T12:00:00.000Z",
            "ended_at": "2026-05-04T12:00:00.000Z",
            "status": "ended",
            "reason": "normal",
            "model": "tiny",
            "audio_seconds": 3.0,
            "speech_seconds": 0.0,
            "words": 0,
            "metadata": {"room": "7"},
        },
    }
    assert bodies["job.done"]["data"]["job_id"] == done
    assert bodies["job.failed"]["data"]["reason"] == "prepare: it is no audio"


def test_what_ended_long_ago_is_told_to_nobody(database: Database) -> None:
    room = JobRoom(database)
    room.finish_all(room.store.create(LOCAL, {}, input_key="x"))
    later = NOON + LOOK_BACK + timedelta(seconds=1)
    assert WebhookEvents(database, URL, lambda: later).collect() == 0
