"""Starts the benchmark's workers without transcription for tests, where they beat more often."""

from functools import partial

from bench.servers.fake_worker import MODEL, FakeWorker, WorkerVisit, echo, read_message
from bench.servers.fake_worker import fake_worker as worker

__all__ = ["MODEL", "FakeWorker", "WorkerVisit", "echo", "fake_worker", "read_message"]

fake_worker = partial(worker, beat=0.2)
