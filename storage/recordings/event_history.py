"""Makes one history of the events that several writers of a session saw."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

StoredEvent: TypeAlias = dict[str, Any]

VERSION: Final = 1  # Of transcript.json; it goes up where a reader must know of a change.

DESCRIPTIONS: Final = ("recording", "recording.end")
"""The lines of a log that are no events: how the session began, and how many sample frames it had."""

_SEGMENT_FIELDS: Final = ("utterance", "text", "start", "end", "language", "confidence", "words", "channel")
_OF_ONE_SENDING: Final = ("seq", "timing")  # Fields that differ where an event is sent again.


def read_log(data: bytes) -> list[StoredEvent]:
    """The lines of a writer; one that was cut off is left out."""
    found = []
    for line in data.splitlines():
        try:
            event = msgspec.json.decode(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
        if isinstance(event, dict):
            found.append({name: value for name, value in event.items() if name not in _OF_ONE_SENDING})
    return found


def merge(logs: Sequence[Sequence[StoredEvent]]) -> list[StoredEvent]:
    """The events of all writers, in the order of the writers.

    A writer that takes over begins with what the one before may not have written, so an event that both have
    is one. Of two finals of the same utterance the later writer's is what the client saw.
    """
    merged: list[StoredEvent] = []
    for log in logs:
        theirs = {_utterance(event) for event in log} - {None}
        merged = [event for event in merged if _utterance(event) not in theirs]
        known = Counter(map(_key, merged))
        for event in log:
            if known[_key(event)] > 0:
                known[_key(event)] -= 1
            else:
                merged.append(event)
    return merged


def transcript(
    session_id: str, described: Sequence[StoredEvent], events: Sequence[StoredEvent], audio: StoredEvent
) -> StoredEvent:
    """What `transcript.json` says."""
    finals = sorted(
        (event for event in events if event.get("type") == "transcript.final" and event.get("text")),
        key=lambda event: (event.get("start") or 0.0, event.get("channel") or 0, event.get("utterance") or 0),
    )
    segments = [
        {name: final[name] for name in _SEGMENT_FIELDS if final.get(name) is not None} for final in finals
    ]
    return {
        "version": VERSION,
        "session_id": session_id,
        "config": described[0].get("config", {}) if described else {},
        "began": described[0].get("began") if described else None,
        "audio": audio,
        "transcript": " ".join(final["text"] for final in finals),
        "segments": segments,
        "events": list(events),
    }


def split_descriptions(
    logs: Iterable[list[StoredEvent]],
) -> tuple[list[StoredEvent], list[list[StoredEvent]]]:
    """What the logs say of the session itself, and the events of each of them."""
    described: list[StoredEvent] = []
    rest = []
    for log in logs:
        described += [line for line in log if line.get("type") in DESCRIPTIONS]
        rest.append([line for line in log if line.get("type") not in DESCRIPTIONS])
    return described, rest


def _utterance(event: StoredEvent) -> tuple[Any, Any] | None:
    if event.get("type") != "transcript.final" or event.get("utterance") is None:
        return None
    return event.get("channel"), event["utterance"]


def _key(event: StoredEvent) -> bytes:
    return msgspec.json.encode(event, order="sorted")
