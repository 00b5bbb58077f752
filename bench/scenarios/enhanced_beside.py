"""Measures how much later the finals of a live session come while jobs of the pipeline run beside it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import httpx
from rich.console import Console

from bench.load.load_plan import LoadPlan
from bench.measure.figures import Figures
from bench.request import BenchRequest
from bench.scenarios.measurement_plan import MeasurementPlan
from bench.servers.measured_server import StartServer, own_server
from dalston_realtime.protocol.audio import SAMPLE_RATE
from runtime.local_server import LocalServerError
from storage.recordings.wav import joined_format

RUNNING_S: Final = 600.0  # Seconds until all jobs run: ten processes start, on a machine that is busy.
CANCELLED_S: Final = 5.0  # Seconds; the process of a job that is cancelled ends within 2 s.
POLL_S: Final = 0.5  # Seconds between two looks at the jobs.
OPTIONS: Final = {"async": "true", "diarize": "true"}
JOBS_PATH: Final = "/v1/audio/transcriptions"
COLUMNS: Final = ("Jobs beside it", "Finals p50 s", "p95 s", "Failed", "Other processes, cores")


@dataclass(frozen=True, slots=True)
class LiveBesideJobs:
    """The figures of one live session alone, with so many jobs that run beside it, and alone again.

    Where both times alone differ much, something else kept the machine busy, and nothing follows.
    """

    jobs: int
    alone: Figures
    beside: Figures
    again: Figures


def measure_beside(
    request: BenchRequest,
    load: LoadPlan,
    talk: bytes,
    jobs: int,
    console: Console,
    start: StartServer = own_server,
) -> LiveBesideJobs:
    """Play a session alone and then beside `jobs` jobs that hear `talk`, on one server.

    Raises:
        DalstonError: there is no server, or the jobs do not begin.
    """
    settings = {**request.server_settings, "enhancer_jobs": str(jobs)}
    with start(1, settings) as server:
        plan = MeasurementPlan.for_server(server, request.target(), load)
        plan.warm_up()
        with console.status("a live session alone"):
            alone = plan.measure(1).figures
        with httpx.Client(
            base_url=server.url.replace("ws", "http", 1), timeout=60.0, trust_env=False
        ) as http:
            with console.status(f"waits for {jobs} jobs"):
                ids = [add_job(http, talk, number) for number in range(jobs)]
                wait_until_running(http, ids)
            with console.status(f"a live session beside {jobs} jobs"):
                beside = plan.measure(1).figures
            for job_id in ids:
                http.delete(f"{JOBS_PATH}/{job_id}")
            time.sleep(CANCELLED_S)
        with console.status("a live session alone again"):
            again = plan.measure(1).figures
    return LiveBesideJobs(jobs, alone, beside, again)


def add_job(http: httpx.Client, talk: bytes, number: int) -> str:
    """Upload a recording; each begins elsewhere, since the same file sent again is the same job."""
    form = joined_format(1)
    pcm = talk[number * SAMPLE_RATE * form.frame_bytes :]
    content = form.header(len(pcm) // form.frame_bytes) + pcm
    answer = http.post(JOBS_PATH, files={"file": ("talk.wav", content)}, data=OPTIONS)
    return str(answer.raise_for_status().json()["job_id"])


def wait_until_running(http: httpx.Client, ids: Sequence[str]) -> None:
    """Wait until all jobs run.

    Raises:
        LocalServerError: they do not within `RUNNING_S`, or one of them has ended.
    """
    until = time.monotonic() + RUNNING_S
    while True:
        jobs = [http.get(f"{JOBS_PATH}/{job_id}").raise_for_status().json() for job_id in ids]
        if all(job["status"] == "running" for job in jobs):
            return
        if time.monotonic() > until or any(job["status"] not in ("queued", "running") for job in jobs):
            raise LocalServerError(f"the jobs do not run: {jobs}")
        time.sleep(POLL_S)


def beside_rows(found: LiveBesideJobs) -> list[list[str]]:
    """A row for each time, and how much more it is beside the jobs than the mean of both times alone."""
    rows = [_row("none", found.alone), _row(str(found.jobs), found.beside), _row("none", found.again)]
    more = [_more(found, name) for name in ("final_p50", "final_p95")]
    return [*rows, ["more, %", *more, "", ""]]


def _row(name: str, figures: Figures) -> list[str]:
    delays = [_shown(figures.final_p50), _shown(figures.final_p95)]
    return [name, *delays, str(figures.failed), f"{figures.other_cores:.1f}"]


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f}"


def _more(found: LiveBesideJobs, name: str) -> str:
    alone, beside, again = (getattr(each, name) for each in (found.alone, found.beside, found.again))
    if not alone or beside is None or again is None:
        return "-"
    return f"{100 * (2 * beside / (alone + again) - 1):+.0f}"
