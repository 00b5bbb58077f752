"""Finishes the records of sessions whose gateway is gone.

A record is without a gateway when its heartbeat does not move for a while, by this process's own clock: the
clocks of several machines need not agree, and may go backwards.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from storage.database import Database, DatabaseUnavailable
from storage.jobs.creating import add_job_of_ended
from storage.tables import SessionRecord
from storage.times import utc_now

GATEWAY_GONE = "gateway_gone"  # The reason that a record has then.


@dataclass(frozen=True, slots=True)
class SweepTimes:
    """Seconds without a heartbeat until what is left of a session is looked for, and until it is lost."""

    silent: float = 12.0
    lost: float = 60.0


@dataclass(frozen=True, slots=True)
class _Observed:
    """A heartbeat, and when it was seen first."""

    heartbeat: datetime
    at: float


@dataclass(frozen=True, slots=True)
class Swept:
    """Sessions that are silent since the last look, and those that are lost now."""

    silent: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class RecordSweeper:
    """Watches the records of all gateways; `clock` counts seconds."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        times: SweepTimes | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database, self._clock, self._now = database, clock, now
        self._times = times or SweepTimes()
        self._observed: dict[str, _Observed] = {}
        self._told: set[str] = set()

    def sweep(self) -> Swept:
        """Look once, and finish what is lost.

        Raises:
            DatabaseUnavailable: it is away; then nobody could write a heartbeat, and none counts as missed.
        """
        try:
            silent, lost = self._judge(self._active())
            return Swept(tuple(silent), tuple(key for key in lost if self._finish(key)))
        except DatabaseUnavailable:
            self._observed.clear()
            self._told.clear()
            raise

    def _active(self) -> dict[str, datetime]:
        query = select(SessionRecord.id, SessionRecord.heartbeat_at).where(SessionRecord.status == "active")
        with self._database.reading() as connection:
            return {row.id: row.heartbeat_at for row in connection.execute(query)}

    def _judge(self, active: dict[str, datetime]) -> tuple[list[str], list[str]]:
        at = self._clock()
        known = self._observed
        self._observed = {
            key: known[key]
            if key in known and known[key].heartbeat == heartbeat
            else _Observed(heartbeat, at)
            for key, heartbeat in active.items()
        }
        self._told &= set(self._silent_for(self._times.silent))
        silent = [key for key in self._silent_for(self._times.silent) if key not in self._told]
        self._told.update(silent)
        return silent, list(self._silent_for(self._times.lost))

    def _silent_for(self, seconds: float) -> Iterable[str]:
        at = self._clock()
        return (key for key, seen in self._observed.items() if at - seen.at >= seconds)

    def _finish(self, session_id: str) -> bool:
        """Finish a record, unless its heartbeat moved just now."""
        heartbeat = self._observed[session_id].heartbeat
        statement = (
            update(SessionRecord)
            .where(SessionRecord.id == session_id, SessionRecord.status == "active")
            .where(SessionRecord.heartbeat_at == heartbeat)
            .values(status="lost", reason=GATEWAY_GONE, ended_at=SessionRecord.heartbeat_at)
            .returning(SessionRecord)
        )
        with self._database.writing() as unit:
            record = unit.scalar(statement)
            if record is not None:
                add_job_of_ended(unit, record)
            return record is not None
