"""Puts the parts that keep jobs together for a test, on a clock that it moves."""

from datetime import datetime, timedelta

from dalston_realtime.protocol.jobs import STAGES, BatchJob
from storage.database import Database
from storage.jobs.leases import JobLeases, StageLease
from storage.jobs.sending import JobSending
from storage.jobs.store import JobStore
from storage.tables import LOCAL
from tests.support.histories import NOON

LEASE_S = 30.0
MAX_ATTEMPTS = 3


class JobRoom:
    """The store, the leases and the sending of one database."""

    def __init__(self, database: Database) -> None:
        self.seconds = 0.0
        self.store = JobStore(database, now=self.now)
        self.leases = JobLeases(database, LEASE_S, MAX_ATTEMPTS, self.now)
        self.sending = JobSending(database, MAX_ATTEMPTS, now=self.now)

    def now(self) -> datetime:
        """The time of day."""
        return NOON + timedelta(seconds=self.seconds)

    def job(self, job_id: str) -> BatchJob:
        """A job as its owner reads it."""
        found = self.store.read(LOCAL, job_id)
        assert found is not None
        return found

    def status(self, job_id: str, stage: str) -> str:
        """What became of a stage."""
        return {each.name: each.status for each in self.job(job_id).stages}[stage]

    def take(self, job_id: str, owner: str = "one") -> StageLease:
        """The lease of the next stage, which is free."""
        lease = self.leases.take_stage(job_id, owner)
        assert lease is not None
        return lease

    def finish_until(self, job_id: str, stage: str) -> StageLease:
        """The lease of a stage, once all before it are done."""
        while (lease := self.take(job_id)).stage != stage:
            assert self.leases.finish(lease, f"jobs/{job_id}/{lease.stage}.json")
        return lease

    def finish_all(self, job_id: str) -> None:
        """Have all stages done."""
        assert self.leases.complete(self.finish_until(job_id, STAGES[-1]), "result")
