"""What a session has heard and said: begun, kept where another gateway finds it, taken up there."""

from dataclasses import dataclass
from typing import Any

import orjson

from dalston_realtime.protocol.parameters import SessionConfig
from gateway.realtime.admission import SessionRequest
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.continuity import ContinuityState, SessionContinuity
from gateway.sessions.event_queue import EventQueue
from gateway.sessions.replay_buffer import ReplayBuffer


@dataclass(frozen=True, slots=True)
class SessionState:
    """All of it; what another gateway needs is in `ledger` as well."""

    id: str
    wish: SessionRequest
    ledger: ChangeSet
    log: ReplayBuffer
    story: SessionContinuity
    outbox: EventQueue

    @classmethod
    def new(cls, session_id: str, wish: SessionRequest) -> "SessionState":
        """The state of a session that begins."""
        ledger = ChangeSet()
        log, story = ReplayBuffer(wish.config, ledger), SessionContinuity(session_id, ledger)
        return cls(session_id, wish, ledger, log, story, EventQueue(ledger))

    @classmethod
    def restored(cls, session_id: str, fields: dict[str, bytes], now: float) -> "SessionState":
        """The state that another gateway left behind in `fields`."""
        ledger = ChangeSet({name: data for name, data in fields.items() if name not in ("owner", "meta")})
        known = orjson.loads(fields["meta"])
        log = ReplayBuffer.restored(_config(known["config"]), ledger, known["start"], known["ended"])
        log.messages = known["messages"]
        wish = SessionRequest(_config(known["asked"]), known["query"])
        story, outbox = (
            SessionContinuity(session_id, ledger, ContinuityState(**known["story"])),
            EventQueue(ledger),
        )
        outbox.restore(now)
        return cls(session_id, wish, ledger, log, story, outbox)

    def prepare(self) -> None:
        """Write into the ledger what is beside audio, events and finals."""
        known = {
            "query": self.wish.query,
            "asked": self.wish.config,
            "config": self.log.config,
            "start": self.log.start,
            "ended": self.log.ended,
            "messages": self.log.messages,
            "story": self.story.known,
        }
        self.ledger.set("meta", orjson.dumps(known))

    def clear(self) -> None:
        """Keep nothing but the last events."""
        self.ledger.clear()
        self.log.clear()

    def warn(self, code: str, message: str, **figures: Any) -> None:
        """Tell the client."""
        self.outbox.put({"type": "warning", "code": code, "message": message, **figures}, 0)


def _config(fields: dict[str, Any]) -> SessionConfig:
    return SessionConfig(**(fields | {"vocabulary": tuple(fields["vocabulary"])}))
