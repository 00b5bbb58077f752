"""Puts the parts of an enhancer together: the dispatcher, Celery's worker, and the processes of the jobs."""

import time
from typing import Final

from enhancement.broker_url import celery_broker
from enhancement.celery_app import JobQueue, make_app
from enhancement.dispatcher import Chore, Dispatcher
from enhancement.job_processes import JOB_MODULE, JobProcesses
from enhancement.settings import EnhancerSettings
from enhancement.webhooks.sender import make_webhooks
from enhancement.worker import CeleryWorker
from runtime.logs import get_logger
from runtime.process import Stop
from storage.database import Database, DatabaseUnavailable
from storage.jobs.leases import JobLeases
from storage.jobs.removal import JobRemover
from storage.jobs.sending import JobSending
from storage.recordings.store import RecordingStore

log = get_logger(__name__)

POLL_S: Final = 0.1  # Seconds by which the signal may be noticed late.
RETRY_S: Final = 1.0  # Seconds until the database is asked again that was away.
TIDY_S: Final = 10.0  # Seconds between two looks for files that are needed no more.
SWEEP_S: Final = 600.0  # Seconds between two looks for jobs that are too old, and for files without a job.


class Enhancer:
    """The parts of one process."""

    def __init__(self, settings: EnhancerSettings, job_module: str = JOB_MODULE) -> None:
        """Run jobs with `job_module`, which is started with the job and the owner of its leases."""
        self._database = Database(settings.database)
        files = RecordingStore(settings.recordings)
        self._sending = JobSending(self._database)
        self._leases = JobLeases(self._database)
        self._processes = JobProcesses(settings.enhancer_threads, self._on_lost, job_module)
        remover, days = JobRemover(self._database, files), settings.retention_days
        chores = (
            Chore(TIDY_S, remover.tidy),
            Chore(SWEEP_S, remover.sweep_files),
            Chore(SWEEP_S, lambda: remover.purge(days)),
        )
        app = make_app(celery_broker(settings.redis, settings.enhancer_broker))
        self._dispatcher = Dispatcher(self._sending, JobQueue(app), chores)
        self._worker = CeleryWorker(app, settings.enhancer_jobs, self._run_job)
        self._webhooks = make_webhooks(settings, self._database)

    def open_database(self, stop: Stop) -> None:
        """Make the tables, as soon as there is a database."""
        said = None
        while not stop.requested:
            try:
                self._database.migrate()
            except DatabaseUnavailable as error:
                if said != str(error):
                    said = str(error)
                    log.warning("waits for the database", why=said)
                _wait(RETRY_S, stop)
            else:
                return

    def start(self) -> None:
        """Begin to take jobs."""
        self._dispatcher.start()
        self._worker.start()
        if self._webhooks is not None:
            self._webhooks.start()

    @property
    def is_running(self) -> bool:
        """Whether it takes jobs."""
        return self._worker.is_running

    def close(self) -> None:
        """Give back what it has."""
        if self._webhooks is not None:
            self._webhooks.close()
        self._dispatcher.close()
        self._processes.close()
        self._worker.close()

    def _run_job(self, job_id: str) -> None:
        """Run a job that Celery gave, unless somebody has it or it is over."""
        try:
            if not self._sending.can_be_taken(job_id):
                return
        except DatabaseUnavailable as error:
            log.warning("a job is begun later: %s", error, job=job_id)
            return
        self._processes.run(job_id)

    def _on_lost(self, owner: str, reason: str) -> None:
        try:
            self._leases.abandon(owner, reason)
        except DatabaseUnavailable:
            log.warning("a stage is taken back once its lease has run out")


def _wait(seconds: float, stop: Stop) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stop.requested:
        time.sleep(POLL_S)
