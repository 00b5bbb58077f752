"""Takes one stage of a job after the other, and keeps the lease of each while it runs."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from enhancement.stage_work import BadJobInput, JobStopped, NotReadyYet, Skipped, StageResult
from runtime.logs import get_logger
from storage.database import DatabaseUnavailable
from storage.jobs.leases import JobLeases, StageLease

log = get_logger(__name__)

BEAT_S: Final = 2.0  # Seconds between two heartbeats, and until a cancelled job ends.
POLL_S: Final = 0.1  # Seconds by which the end of a stage, or the signal, may be noticed late.
RETRY_S: Final = 1.0  # Seconds until the database is asked again that was away.
MAX_REASON: Final = 500  # Characters of a reason.

T = TypeVar("T")


class Stages(Protocol):
    """Runs stages and keeps what they make."""

    def run(self, lease: StageLease, report: Callable[[float], None]) -> StageResult | Skipped:
        """Run a stage; raises what a stage may raise."""
        ...

    def save(self, lease: StageLease, result: StageResult) -> str:
        """Keep the output of a stage; its key."""
        ...

    def complete(self, leases: JobLeases, lease: StageLease, key: str, result: StageResult) -> bool:
        """End the job with its result; whether the lease still counted."""
        ...


class StageThread(threading.Thread):
    """A stage that runs; `percent` is how far it says it is."""

    def __init__(self, work: Callable[[Callable[[float], None]], Any]) -> None:
        super().__init__(name="stage", daemon=True)
        self._work = work
        self.percent: float | None = None
        self.is_stopped = False
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Work, and keep what comes of it."""
        try:
            self.value = self._work(self._report)
        except BaseException as error:  # noqa: BLE001 - the loop judges it
            self.error = error

    def _report(self, percent: float) -> None:
        if self.is_stopped:
            raise JobStopped
        self.percent = max(0.0, min(100.0, percent))


class JobLoop:
    """Runs the stages of jobs as `owner`, until `is_stopping`."""

    def __init__(
        self, leases: JobLeases, stages: Stages, owner: str, is_stopping: Callable[[], bool]
    ) -> None:
        self._leases, self._stages, self._owner, self._is_stopping = leases, stages, owner, is_stopping

    def run(self, job_id: str) -> None:
        """Run what is left of a job, as far as nobody else has it."""
        while not self._is_stopping():
            lease = self._patiently(lambda: self._leases.take_stage(job_id, self._owner))
            if lease is None or not self._run_stage(lease):
                return

    def _run_stage(self, lease: StageLease) -> bool:
        """Run one stage; whether to go on with the next."""
        begun = time.monotonic()
        thread = StageThread(lambda report: self._work(lease, report))
        thread.start()
        if not self._accompany(thread, lease):
            thread.is_stopped = True
            return False
        goes_on = self._settle(lease, thread)
        log.info(
            "stage over",
            job=lease.job_id,
            stage=lease.stage,
            how=_outcome(thread),
            seconds=time.monotonic() - begun,
        )
        return goes_on

    def _work(self, lease: StageLease, report: Callable[[float], None]) -> Any:
        result = self._stages.run(lease, report)
        if isinstance(result, Skipped):
            return result
        return result, self._stages.save(lease, result)

    def _accompany(self, thread: StageThread, lease: StageLease) -> bool:
        """Renew the lease until the stage has ended; false where it is to be left."""
        beat_at = time.monotonic() + BEAT_S
        while thread.is_alive():
            thread.join(POLL_S)
            if self._is_stopping():
                log.info("stage given back", job=lease.job_id, stage=lease.stage)
                self._once(lambda: self._leases.release(lease))
                return False
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + BEAT_S
                if self._once(lambda: self._leases.beat(lease, thread.percent)) is False:
                    log.info("job cancelled or taken over", job=lease.job_id, stage=lease.stage)
                    return False
        return True

    def _settle(self, lease: StageLease, thread: StageThread) -> bool:
        """Write what became of a stage; whether the lease still counted, and the job goes on here."""
        leases, error = self._leases, thread.error
        if isinstance(error, JobStopped):
            return False
        if isinstance(error, NotReadyYet):
            wait_s, why = error.wait_s, str(error)
            self._patiently(lambda: leases.release(lease, wait_s, why))
            return False
        if error is not None:
            return self._fail(lease, error)
        if isinstance(thread.value, Skipped):
            reason = thread.value.reason
            return self._patiently(lambda: leases.skip(lease, reason)) is True
        result, key = thread.value
        if lease.stage == "merge":
            self._patiently(lambda: self._stages.complete(leases, lease, key, result))
            return False
        return self._patiently(lambda: leases.finish(lease, key, result.used)) is True

    def _fail(self, lease: StageLease, error: BaseException) -> bool:
        """Say what is wrong; the job may go on without the stage, or be tried again later."""
        is_final = isinstance(error, BadJobInput)
        reason = describe_error(error)
        if not is_final:
            log.error("stage failed: %s", reason, job=lease.job_id, stage=lease.stage, exc_info=error)
        return self._patiently(lambda: self._leases.fail(lease, reason, final=is_final)) is True

    def _patiently(self, call: Callable[[], T]) -> T | None:
        """Call until the database is there; None where this process stops before that."""
        while True:
            try:
                return call()
            except DatabaseUnavailable as error:
                log.warning("the database is away; it is tried again", why=str(error))
            if self._is_stopping():
                return None
            time.sleep(RETRY_S)

    def _once(self, call: Callable[[], T]) -> T | None:
        """Call once; None where the database is away."""
        try:
            return call()
        except DatabaseUnavailable as error:
            log.warning("the database is away", why=str(error))
            return None


def describe_error(error: BaseException) -> str:
    """One line for the job's owner."""
    text = " ".join(str(error).split()) or type(error).__name__
    is_ours = isinstance(error, BadJobInput) or type(error).__module__.startswith(("enhancement", "storage"))
    shown = text if is_ours or isinstance(error, OSError) else f"{type(error).__name__}: {text}"
    return shown[:MAX_REASON]


def _outcome(thread: StageThread) -> str:
    if thread.error is not None:
        return describe_error(thread.error)
    return f"skipped: {thread.value.reason}" if isinstance(thread.value, Skipped) else "done"
