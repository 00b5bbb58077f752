"""Counts and measures what a gateway does, in a registry of its own."""

from functools import partial
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
ROUTING_SECONDS: Final = (0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.012, 0.015, 0.02, *SECONDS[4:])
"""Seconds; fine near the 10 ms within which a worker should be reached."""
DEPTHS: Final = (0, 1, 2, 5, 10, 50, 100, 500, 1000, 2000)


class GatewayMetrics:
    """Counters, gauges and histograms of one gateway process."""

    content_type: Final = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        count, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        prefix = "dalston_gateway_"
        self.connections = gauge(prefix + "connections", "Connections for live audio that are open")
        self.sessions = count(prefix + "sessions", "Sessions that ended, by reason", ["reason"])
        self.refused = count(prefix + "refused", "Connections refused before the upgrade", ["status"])
        self.dialects = count(
            prefix + "dialect_connections", "Connections of clients of other services", ["dialect"]
        )
        self.ignored = count(
            prefix + "dialect_ignored", "What such clients ask for and nobody does", ["dialect", "flag"]
        )
        self.routing = histogram(
            prefix + "routing_seconds",
            "From the upgrade to an open worker connection",
            buckets=ROUTING_SECONDS,
        )
        self.forwarding = histogram(
            prefix + "forwarding_seconds", "From an event's arrival to its way out", buckets=SECONDS
        )
        self.outbox = histogram(
            prefix + "outbox_events", "Events that wait behind the one that is sent", buckets=DEPTHS
        )
        self.dropped_partials = count(
            prefix + "dropped_partials", "Partials replaced before a slow client took them"
        )
        self.undecodable = count(prefix + "undecodable", "Frames of workers that are not an event")
        self.audio = count(prefix + "audio_seconds", "Audio passed to workers")
        self.redis_available = gauge(prefix + "redis_available", "1 while Redis answers, 0 while not")
        self.queued = gauge(prefix + "queued", "Sessions that wait for a slot")
        self.workers = gauge(prefix + "workers", "Workers that the registry knows, by status", ["status"])
        self.slots = gauge(
            prefix + "slots",
            "Slots of the live workers, by a variant that they serve and by what they are",
            ["variant", "state"],
        )
        self.build = gauge("dalston_build_info", "1, with the version that runs", ["version"])
        self.build.labels(version("dalston-realtime")).set(1)
        self.limits_reached = count(
            prefix + "limits_reached", "What was refused by a limit, by the name of the key", ["key", "limit"]
        )
        self.key_audio = count(
            prefix + "key_audio_seconds", "Audio that counts for a key, by its name", ["key"]
        )
        self.key_sessions = gauge(
            prefix + "key_sessions", "Sessions that count for a key, by its name", ["key"]
        )
        self.releases = gauge(prefix + "releases_waiting", "Slots that wait to be released")

    def samples(self) -> dict[str, dict[str, float]]:
        """The values of now by the names of the samples, and by the value of their only label."""
        found: dict[str, dict[str, float]] = {}
        for family in self._registry.collect():
            for sample in family.samples:
                label = next(iter(sample.labels.values()), "")
                found.setdefault(sample.name, {})[label] = sample.value
        return found

    def scrape(self) -> bytes:
        """All of them in the Prometheus text format."""
        return generate_latest(self._registry)
