"""Makes snapshots of workers as the registry shows them."""

from dataclasses import replace

from broker.records import WorkerInfo
from dalston_realtime.protocol.models import ModelInfo
from gateway.capacity.directory import WorkerSnapshot

TINY = ModelInfo("fast", "tiny", "moonshine", ("en",), {"streaming": False})
LARGE = ModelInfo("accurate", "large", "whisper", ("de", "en"), {"streaming": True})
WORKER = WorkerInfo(
    worker_id="w1",
    endpoint="ws://w1:9000",
    status="ready",
    capacity=4,
    active_sessions=1,
    models=(TINY,),
    lag=0.0,
    last_heartbeat="2025-01-28T12:00:00Z",
    heartbeat_ms=1,
    version="",
    gpu_memory_used=None,
    gpu_memory_total=None,
)
BUSY = replace(WORKER, worker_id="w2", status="busy", active_sessions=4, models=(TINY, LARGE))
DRAINING = replace(WORKER, worker_id="w3", status="draining")
OFFLINE = replace(WORKER, worker_id="w4", status="offline", models=(LARGE,))


def view(*workers: WorkerInfo) -> WorkerSnapshot:
    """A view of these workers."""
    return WorkerSnapshot(workers)
