"""What is kept of a session beside its audio, events and finals: to JSON and back."""

from typing import Any

import orjson

from gateway.admission import Wish
from gateway.audio_log import AudioLog
from gateway.ledger import Ledger
from gateway.story import Known, Story
from stages.parameters import SessionConfig


def pack(wish: Wish, log: AudioLog, story: Story) -> bytes:
    """The rest of a session."""
    known = {
        "query": wish.query,
        "asked": wish.config,
        "config": log.config,
        "start": log.start,
        "ended": log.ended,
        "messages": log.messages,
        "story": story.known,
    }
    return orjson.dumps(known)


def unpack(session_id: str, data: bytes, ledger: Ledger) -> tuple[Wish, AudioLog, Story]:
    """The same again, with what is in `ledger`."""
    known = orjson.loads(data)
    log = AudioLog.restored(_config(known["config"]), ledger, known["start"], known["ended"])
    log.messages = known["messages"]
    wish = Wish(_config(known["asked"]), known["query"])
    return wish, log, Story(session_id, ledger, Known(**known["story"]))


def _config(fields: dict[str, Any]) -> SessionConfig:
    return SessionConfig(**(fields | {"vocabulary": tuple(fields["vocabulary"])}))
