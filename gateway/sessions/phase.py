"""Names the phases of a session, and checks each change from one to the next.

QUEUED
   │  a worker begins
   ▼
RUNNING ◀── the client leaves, and comes back ──▶ DETACHED
   ▲                                                  ▲
   │          the worker is lost, and another         │
   └────────▶     one goes on: FAILING_OVER    ◀──────┘

any of these four                ──▶ ENDING      ──▶ OVER
any of them but QUEUED           ──▶ HANDED_OVER ──▶ OVER
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class SessionPhase(Enum):
    """What a session is doing.

    - QUEUED: no worker has begun it; its client is connected, and does not know its id yet.
    - RUNNING: a worker serves it, and its client is connected.
    - DETACHED: a worker serves it, and its client is away and may come back.
    - FAILING_OVER: its worker is lost and another one is looked for; its client may be connected or away.
    - ENDING: how it ends is decided; the client is being told.
    - HANDED_OVER: another gateway has it or may take it; the client is being told.
    - OVER: everything is told.
    """

    QUEUED = "queued"
    RUNNING = "running"
    DETACHED = "detached"
    FAILING_OVER = "failing_over"
    ENDING = "ending"
    HANDED_OVER = "handed_over"
    OVER = "over"


_SERVED: Final = frozenset({SessionPhase.RUNNING, SessionPhase.DETACHED})
_LIVE: Final = _SERVED | {SessionPhase.FAILING_OVER}
_ENDS: Final = frozenset({SessionPhase.ENDING, SessionPhase.HANDED_OVER})

TRANSITIONS: Final[Mapping[SessionPhase, frozenset[SessionPhase]]] = {
    SessionPhase.QUEUED: frozenset({SessionPhase.RUNNING, SessionPhase.DETACHED, SessionPhase.ENDING}),
    SessionPhase.RUNNING: frozenset({SessionPhase.DETACHED, SessionPhase.FAILING_OVER}) | _ENDS,
    SessionPhase.DETACHED: frozenset({SessionPhase.RUNNING, SessionPhase.FAILING_OVER}) | _ENDS,
    SessionPhase.FAILING_OVER: frozenset({SessionPhase.RUNNING, SessionPhase.DETACHED}) | _ENDS,
    SessionPhase.ENDING: frozenset({SessionPhase.OVER}),
    SessionPhase.HANDED_OVER: frozenset({SessionPhase.OVER}),
    SessionPhase.OVER: frozenset(),
}


class IllegalTransition(Exception):
    """A session can't go from the one phase to the other: a fault of ours."""


class PhaseTracker:
    """The phase of one session, and whether its client is connected."""

    def __init__(self, first: SessionPhase = SessionPhase.QUEUED) -> None:
        self.current = first
        self._attached = False

    def move_to(self, phase: SessionPhase) -> None:
        """Change the phase.

        Raises:
            IllegalTransition: it can't be next.
        """
        if phase not in TRANSITIONS[self.current]:
            raise IllegalTransition(f"{self.current.name} -> {phase.name}")
        self.current = phase

    def set_attached(self, attached: bool) -> None:
        """The client came or went."""
        self._attached = attached
        if self.current in _SERVED:
            self._serve()

    def worker_began(self) -> None:
        """The first worker has begun the session."""
        if self.current is SessionPhase.QUEUED:
            self._serve()

    def worker_lost(self) -> None:
        """No worker serves the session any more. One that none has begun stays in the queue."""
        if self.current in _SERVED:
            self.move_to(SessionPhase.FAILING_OVER)

    def worker_found(self) -> None:
        """Another worker goes on with the session."""
        if self.current is SessionPhase.FAILING_OVER:
            self._serve()

    @property
    def is_live(self) -> bool:
        """Whether a worker has begun the session, and its end is not decided."""
        return self.current in _LIVE

    @property
    def is_ending(self) -> bool:
        """Whether the end is decided, or behind it."""
        return self.current in _ENDS or self.current is SessionPhase.OVER

    def _serve(self) -> None:
        phase = SessionPhase.RUNNING if self._attached else SessionPhase.DETACHED
        if phase is not self.current:
            self.move_to(phase)
