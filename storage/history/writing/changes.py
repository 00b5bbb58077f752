"""Defines what is to be written of a session, and adds up what comes while the database is away."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from storage.tables import LOCAL, Source

MAX_ERRORS: Final = 50  # Errors and warnings that are kept of a session; more say nothing new.


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session that begins, or that another gateway goes on with; `metadata` is the client's.

    With `enhance`, which are the fields of `JobOptions`, its end makes a job of the batch pipeline.
    """

    id: str
    begun_at: datetime
    gateway: str
    principal: str = LOCAL
    model: str | None = None
    variant: str | None = None
    language: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    enhance: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUtterance:
    """An utterance that is final; times in seconds, `words` as JSON text."""

    number: int
    text: str
    start: float | None = None
    end: float | None = None
    words: str | None = None
    channel: int = 0
    speaker: str | None = None
    language: str | None = None
    confidence: float | None = None
    source: Source = "live"


@dataclass(slots=True)
class SessionChange:
    """What is to be written of one session; what came first goes first.

    `values` are columns whose last value counts, `artifacts` and `missing` are added to what the record has.
    """

    id: str
    begin: NewSession | None = None
    values: dict[str, Any] = field(default_factory=dict)
    utterances: list[NewUtterance] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)
    artifacts: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, float] = field(default_factory=dict)
    resumes: int = 0
    failovers: int = 0
    lag: float = 0.0

    def add_later(self, later: "SessionChange") -> None:
        """Add what came later."""
        self.begin = self.begin or later.begin
        self.values |= later.values
        self.artifacts |= later.artifacts
        self.utterances += later.utterances
        self.workers += [worker for worker in later.workers if worker not in self.workers]
        self.errors = (self.errors + later.errors)[:MAX_ERRORS]
        for kind, amount in later.missing.items():
            self.missing[kind] = self.missing.get(kind, 0) + amount
        self.resumes += later.resumes
        self.failovers += later.failovers
        self.lag = max(self.lag, later.lag)
