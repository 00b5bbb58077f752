"""Holds what a session has received and sent, and moves it between gateways as a checkpoint."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from broker.checkpoint_record import HEADER, VERSION, Checkpoint, CheckpointHeader, encode_header
from dalston_realtime.protocol.events import ServerWarning
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.compressed_input import decoded_config
from gateway.sessions.continuity.session_continuity import SessionContinuity
from gateway.sessions.event_queue import EventQueue
from gateway.sessions.replay.replay_buffer import ReplayBuffer
from storage.jobs.creating import session_job_id
from storage.tables import LOCAL


@dataclass(frozen=True, slots=True)
class SessionState:
    """One session; `requested` is what its client asked for, `changes` what another gateway needs of it.

    It belongs to `principal`, whose client comes back with the token whose SHA-256 is `token`; what it uses
    counts for `account`. It ends when it is `max_seconds` old, where that is said.
    """

    id: str
    principal: str
    token: str
    requested: SessionConfig
    changes: ChangeSet
    replay: ReplayBuffer
    continuity: SessionContinuity
    events: EventQueue
    takeovers: int = 0  # Gateways that had the session before this one.
    account: str = ""
    max_seconds: float | None = None

    @classmethod
    def new(
        cls,
        session_id: str,
        requested: SessionConfig,
        clock: Callable[[], float] = time.monotonic,
        *,
        principal: str = LOCAL,
        token: str = "",
        account: str = "",
        max_seconds: float | None = None,
    ) -> "SessionState":
        """The state of a session that begins; `clock` counts seconds. Without a token nobody comes back."""
        changes = ChangeSet()
        replay = ReplayBuffer(decoded_config(requested), changes)
        job_id = _job_id(session_id, requested)
        separate = requested.separate
        continuity = SessionContinuity(session_id, changes, job_id=job_id, clock=clock, separate=separate)
        events = EventQueue(changes)
        parts = changes, replay, continuity, events
        about = session_id, principal, token, requested
        return cls(*about, *parts, account=account, max_seconds=max_seconds)

    @classmethod
    def restore(
        cls,
        session_id: str,
        checkpoint: Checkpoint,
        now: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> "SessionState":
        """The state that another gateway left; `now` is on `clock`.

        Raises:
            BadCheckpoint: an entry can't be read.
        """
        changes, header = ChangeSet(_entries(checkpoint)), checkpoint.header
        replay = ReplayBuffer.restore(checkpoint, changes)
        job_id = _job_id(session_id, header.requested)
        continuity = SessionContinuity.restore(
            session_id, changes, header.continuity, checkpoint.finals, job_id, clock
        )
        events = EventQueue(changes)
        events.restore(checkpoint, now)
        return cls(
            session_id,
            header.principal,
            header.token,
            header.requested,
            changes,
            replay,
            continuity,
            events,
            header.takeovers,
            header.account,
            header.max_seconds,
        )

    def taken_over(self) -> "SessionState":
        """The same, with one gateway more."""
        return replace(self, takeovers=self.takeovers + 1)

    def snapshot(self) -> None:
        """Write the header of the checkpoint; its entries are in `changes` as they come and go."""
        header = CheckpointHeader(
            version=VERSION,
            principal=self.principal,
            token=self.token,
            requested=self.requested,
            config=self.replay.config,
            first_frame=self.replay.start,
            ended=self.replay.ended,
            messages=self.replay.messages,
            continuity=self.continuity.snapshot(),
            takeovers=self.takeovers,
            account=self.account,
            max_seconds=self.max_seconds,
            stream_bytes=self.replay.stream_bytes,
        )
        self.changes.set(HEADER, encode_header(header))

    def clear(self) -> None:
        """Keep nothing but the last events."""
        self.changes.clear()
        self.replay.clear()

    def warn(self, code: str, message: str, **figures: Any) -> None:
        """Tell the client."""
        self.events.append(ServerWarning(code=code, message=message, **figures))


def _job_id(session_id: str, requested: SessionConfig) -> str | None:
    """The job that enhances the session after its end; whoever ends it makes the same one."""
    return session_job_id(session_id) if requested.enhance_on_end else None


def _entries(checkpoint: Checkpoint) -> dict[str, bytes]:
    kinds = {
        "a": checkpoint.audio,
        "c": checkpoint.commands,
        "e": checkpoint.sent_events,
        "w": checkpoint.waiting_events,
        "f": checkpoint.finals,
    }
    return {f"{kind}{number}": data for kind, found in kinds.items() for number, data in found.items()}
