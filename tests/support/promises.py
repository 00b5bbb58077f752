"""Checks what protocol.md promises of every session on the events that a client got."""

from collections.abc import Sequence
from typing import Any, TypeAlias

Events: TypeAlias = Sequence[dict[str, Any]]


def check(events: Events) -> None:
    """Fail unless the events of a whole session keep the protocol's promises."""
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "session.begin"
    assert events[-1]["type"] == "session.end"
    check_utterances(events)
    check_stable(events)
    ended = events[-1]
    assert ended["transcript"] == " ".join(f["text"] for f in finals(events) if f["text"])
    assert [s["utterance"] for s in ended["segments"]] == [
        f["utterance"] for f in finals(events) if f["text"]
    ]


def check_utterances(events: Events) -> None:
    """Numbers grow by one; partials come before the final of their utterance, never behind it."""
    said = 0
    for event in events:
        if event["type"] == "transcript.partial":
            assert event["utterance"] == said + 1
        if event["type"] == "transcript.final":
            said += 1
            assert event["utterance"] == said


def check_stable(events: Events) -> None:
    """The stable prefix of a partial stands in all that comes later of its utterance."""
    stable: dict[int, str] = {}
    for event in events:
        if event["type"] in ("transcript.partial", "transcript.final"):
            prefix = stable.get(event["utterance"], "")
            assert event["text"].startswith(prefix)
            stable[event["utterance"]] = event["text"][: event.get("stable", 0)]


def finals(events: Events) -> list[dict[str, Any]]:
    """The finals among the events."""
    return [e for e in events if e["type"] == "transcript.final"]


def partials(events: Events) -> list[dict[str, Any]]:
    """The partials among the events."""
    return [e for e in events if e["type"] == "transcript.partial"]
