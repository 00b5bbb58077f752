"""Enrolled voices belong to a principal; a webhook is kept until it is delivered."""

from datetime import timedelta

from storage.database import Database
from storage.jobs.speakers import SpeakerStore
from storage.jobs.webhooks import WebhookStore
from storage.tables import LOCAL
from tests.support.histories import NOON, MovedClock


def test_voices_are_kept_by_their_names(database: Database) -> None:
    speakers = SpeakerStore(database, lambda: NOON)
    first = speakers.add(LOCAL, "Maria", [0.6, 0.8], "m1")
    speakers.add(LOCAL, "Anna", [1.0, 0.0], "m2")
    speakers.add("somebody", "Eve", [1.0], "m1")
    assert [each.name for each in speakers.list(LOCAL)] == ["Anna", "Maria"]
    (maria,) = speakers.list(LOCAL, model="m1")
    assert (maria.id, maria.embedding, maria.created_at) == (first, (0.6, 0.8), NOON)
    assert not speakers.delete("somebody", first)
    assert speakers.delete(LOCAL, first)
    assert not speakers.delete(LOCAL, first)
    assert [each.name for each in speakers.list(LOCAL)] == ["Anna"]


def test_a_webhook_is_due_until_it_is_delivered(database: Database) -> None:
    clock = MovedClock()
    hooks = WebhookStore(database, clock.now)
    for _ in range(2):
        hooks.add("e1", "http://example.com", "job.done", "{}")
    (due,) = hooks.due()
    assert (due.event_id, due.url, due.kind, due.body, due.attempts) == (
        "e1", "http://example.com", "job.done", "{}", 0,
    )  # fmt: skip
    hooks.failed("e1", "x" * 1_000, NOON + timedelta(seconds=10))
    assert hooks.due() == []
    clock.seconds = 10
    assert [each.attempts for each in hooks.due()] == [1]
    hooks.delivered("e1")
    clock.seconds = 1_000
    assert hooks.due() == []


def test_a_webhook_that_was_given_up_is_not_due(database: Database) -> None:
    hooks = WebhookStore(database, lambda: NOON)
    hooks.add("e1", "http://example.com", "job.done", "{}")
    hooks.failed("e1", "500", None)
    assert hooks.due(NOON + timedelta(days=9)) == []
