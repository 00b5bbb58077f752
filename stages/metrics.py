"""Counts and measures what a worker does: each process writes files, a scrape of the receiver adds them up.

prometheus-client decides on import whether it works across processes, so this module imports it only
after `open_metrics` has named the folder.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from stages.channels import Inbox

# Seconds that a step of the pipeline may take: results are noticed as late from some 0.3 s on.
SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5)
# Sessions in a forward pass, up to what a GPU takes.
BATCH_SIZES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)

# Of the lags of the sessions: the middle one, the one that one of ten exceeds, and the largest.
QUANTILES: Final = (0.5, 0.9, 1.0)


def open_metrics(folder: Path) -> "StageMetrics":
    """The metrics of this process, in files under `folder` (made if needed, cleaned of dead processes)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    for path in folder.glob("*.db"):
        pid = path.stem.rpartition("_")[2]
        if not (pid.isdigit() and Path(f"/proc/{pid}").exists()):
            path.unlink(missing_ok=True)
    return StageMetrics()


class StageMetrics:
    """Counters, gauges and histograms of the worker; a process touches only those of its stage."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        self.sessions = Gauge(
            "dalston_worker_sessions", "Sessions open in this worker", multiprocess_mode="livesum"
        )
        self.lag = Gauge(
            "dalston_worker_lag_seconds",
            "Received minus processed audio of the session that is furthest behind",
            multiprocess_mode="livemax",
        )
        self.queue = Histogram(
            "dalston_stage_queue_messages",
            "Messages that waited when a stage looked",
            ["stage"],
            buckets=(0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        )
        self.stage_seconds = Histogram(
            "dalston_stage_seconds",
            "Time from a message's arrival in a stage to its result leaving it",
            ["stage"],
            buckets=SECONDS,
        )
        self.final_seconds = Histogram(
            "dalston_final_seconds",
            "Time from the audio that ended an utterance to its final leaving the worker",
            buckets=SECONDS,
        )
        self.inference = Histogram(
            "dalston_asr_inference_seconds", "Time of one forward pass", ["kind"], buckets=SECONDS
        )
        self.batch = Histogram(
            "dalston_asr_batch_size",
            "Sessions in a forward pass, by kind of work and by why it left",
            ["kind", "reason"],
            buckets=BATCH_SIZES,
        )
        self.batch_limit = Gauge(
            "dalston_asr_batch_limit",
            "Sessions that may be in a forward pass now: fewer after the device ran out of memory",
            multiprocess_mode="livemin",
        )
        self.drops = Counter("dalston_dropped_total", "What was dropped, by reason", ["reason"])
        self.audio = Counter("dalston_audio_seconds_total", "Audio received")
        self._counted = 0

    def queued(self, stage: str, messages: int) -> None:
        """How many messages a stage found waiting; an idle look does not count."""
        if messages:
            self.queue.labels(stage).observe(messages)

    def dropped(self, stage: str, inbox: "Inbox") -> None:
        """Count what an inbox could not decode since the last call."""
        if inbox.dropped > self._counted:
            self.drops.labels(f"{stage}_undecodable").inc(inbox.dropped - self._counted)
            self._counted = inbox.dropped


class SessionLags:
    """How far the sessions of now are behind, in seconds: quantiles over them, none where there are none.

    Nothing names a session, since everybody may read the metrics.
    """

    def __init__(self, lags: Collection[float]) -> None:
        self._lags = sorted(lags)

    def collect(self) -> "Iterator[Metric]":
        """One gauge, with a sample for each quantile."""
        from prometheus_client.core import GaugeMetricFamily

        text = "Received minus processed audio of the sessions, by quantile"
        gauge = GaugeMetricFamily("dalston_session_lag_seconds", text, labels=["quantile"])
        for quantile in QUANTILES if self._lags else ():
            lag = self._lags[round(quantile * (len(self._lags) - 1))]
            gauge.add_metric([f"{quantile:g}"], round(lag, 3))
        yield gauge


def scrape(folder: Path, lags: Collection[float]) -> bytes:
    """All processes' metrics in the Prometheus text format; `lags` are those of the sessions of now."""
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess

    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    registry.register(SessionLags(lags))
    return generate_latest(registry)
