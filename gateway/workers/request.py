"""What a session asks of a worker: its client's parameters, and where another worker left off."""

from typing import Final
from urllib.parse import parse_qsl, urlencode

from broker.records import Allocation
from dalston_realtime.protocol.parameters import CHANGEABLE, SessionConfig
from gateway.sessions.continuity import ResumePoint


def worker_query(query: str, config: SessionConfig, place: Allocation) -> str:
    """The client's `query` string with what it has changed since, for the model that it got."""
    asked = dict(parse_qsl(query, keep_blank_values=True))
    asked.pop("overflow", None)
    changed = {name: _spelled(getattr(config, name)) for name in CHANGEABLE}
    asked |= {name: value for name, value in changed.items() if value != _spelled(_DEFAULT[name])}
    for name in CHANGEABLE:
        if name in asked:
            asked[name] = changed[name]
    if place.degraded:
        asked |= {"model": place.model, "degraded": "true"}
    return urlencode(asked | {"progress": "true"})


def seam_query(seam: ResumePoint, clock: int, heard: int) -> str:
    """What tells a worker that the session goes on, at sample `clock` of its clock; `heard` have come."""
    fields = {
        "clock": str(clock),
        "replayed": str(heard),
        "utterance": str(seam.utterance),
        "before": " ".join(seam.before),
        "overlaps": _spelled(seam.overlaps),
        "frozen": " ".join(seam.frozen),
        "shown": _spelled(seam.shown),
    }
    return urlencode(fields)


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_DEFAULT: Final = {name: getattr(SessionConfig(), name) for name in CHANGEABLE}
