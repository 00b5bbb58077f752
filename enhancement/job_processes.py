"""Starts a process for each job, and ends all of them with the enhancer."""

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Final

from runtime.logs import get_logger

log = get_logger(__name__)

THREAD_LIMITS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that libraries of numbers read when they are loaded."""

JOB_MODULE: Final = "enhancement.job_process"
STOP_S: Final = 2.0  # Seconds for a process to give its stage back, of the 3 s that the enhancer has.


class JobProcesses:
    """The processes of the jobs of one enhancer; `on_lost` hears which owner ended by a fault, and why."""

    def __init__(
        self,
        threads: int,
        on_lost: Callable[[str, str], None],
        module: str = JOB_MODULE,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._on_lost, self._module = on_lost, module
        self._environment = {**environment, **dict.fromkeys(THREAD_LIMITS, str(threads))}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    def run(self, job_id: str) -> None:
        """Run what is left of a job, in a process of its own, and wait for that."""
        owner = uuid.uuid4().hex
        with self._lock:
            if self._is_closed:
                return
            command = [sys.executable, "-m", self._module, job_id, owner]
            process = subprocess.Popen(  # noqa: S603 - our own module
                command, env=self._environment, stdin=subprocess.PIPE
            )
            self._running.add(process)
        code = process.wait()
        with self._lock:
            self._running.discard(process)
        if process.stdin is not None:
            process.stdin.close()
        if code and not self._is_closed:
            reason = f"the process of the job was killed by signal {-code}" if code < 0 else _failed(code)
            log.error("a process of a job ended by a fault", job=job_id, code=code)
            self._on_lost(owner, reason)

    def close(self) -> None:
        """Have all of them give their stages back, and kill what does not within `STOP_S`."""
        with self._lock:
            self._is_closed = True
            running = list(self._running)
        for process in running:
            if process.stdin is not None:
                process.stdin.close()
        for process in running:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _failed(code: int) -> str:
    return f"the process of the job ended by a fault (code {code})"
