"""Gateways, enhancers, Redis and the database are killed at random moments of jobs, and no job is lost."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from storage.history_reader import HistoryReader
from storage.recordings import Recordings
from storage.tables import LOCAL
from tests.support.databases import PostgresServer, postgres_server
from tests.support.enhancer_process import EnhancerPlace, wait_until
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import GatewayProcess, client, gateway_process, run
from tests.support.gateway_sessions import begun, recorder
from tests.support.managed_process import ManagedProcess
from tests.support.recordings import as_pcm, recording
from tests.support.redis_fixture import RedisServer

KILLS = int(os.environ.get("ENHANCE_KILLS", "3"))
SAID_S = 4  # Seconds of speech of each session.
MOMENT_S = 5.0  # Seconds within which something is killed: a job takes about as long.
ENDED_S = 240.0  # Seconds until all jobs have ended: a lease may run out for several in turn.
SEED = int(os.environ.get("ENHANCE_SEED", str(random.SystemRandom().randrange(1 << 32))))


@dataclass
class Killable:
    """A process that is killed and started again."""

    start: Callable[[], AbstractContextManager[ManagedProcess]]
    process: ManagedProcess = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.process = self._stack.enter_context(self.start())

    def kill(self) -> None:
        """Kill it, with all below it."""
        self.process.kill()
        self.close()
        self.process = self._stack.enter_context(self.start())

    def close(self) -> None:
        """End it."""
        self._stack.close()


class BrokenServer:
    """A gateway, two enhancers, Redis and PostgreSQL, each of which may be killed."""

    def __init__(self, redis: RedisServer, postgres: PostgresServer, folder: Path) -> None:
        self.redis, self.postgres = redis, postgres
        self.place = EnhancerPlace(redis.url, folder, postgres.url(postgres.new_database()))
        self._gateway: GatewayProcess
        self.gateway = Killable(self._start_gateway)
        self.enhancers = [Killable(self.place.enhancer) for _ in range(2)]

    @contextmanager
    def _start_gateway(self) -> Iterator[ManagedProcess]:
        settings = self.place.settings()
        url = settings.pop("redis_url")
        with gateway_process(url, **settings) as started:
            self._gateway = started
            yield started.process

    def kill(self, victim: str) -> None:
        """Kill one of them, and start it again."""
        match victim:
            case "gateway":
                self.gateway.kill()
            case "enhancer":
                random.choice(self.enhancers).kill()
            case "redis":
                self.redis.stop()
                self.redis.start()
            case "database":
                self.postgres.stop()
                self.postgres.start()

    def record(self, pcm: bytes) -> str:
        """A session that said this, and is over; its id."""

        async def main() -> str:
            async with fake_worker(self.redis.url, recorder), client(self._gateway, "store=true") as me:
                await begun(me)
                await me.send(pcm)
                await me.send({"type": "end"})
                await me.rest()
                return me.session_id

        return run(main(), 60.0)

    def is_over(self, session_id: str) -> bool:
        """Whether the record of a session says that it has ended."""
        row = HistoryReader(self.place.database).session(LOCAL, session_id)
        return row is not None and row["status"] != "active"

    def close(self) -> None:
        """End all that was started here."""
        for each in (self.gateway, *self.enhancers):
            each.close()
        self.place.database.close()


def victims(rng: random.Random) -> Iterator[str]:
    """Each of them in turn, in an order of chance."""
    while True:
        yield from rng.sample(["enhancer", "database", "redis", "gateway"], 4)


def test_no_job_and_no_recording_is_lost(own_redis: RedisServer, tmp_path: Path) -> None:
    print(f"ENHANCE_SEED={SEED}")
    rng = random.Random(SEED)
    speech = recording("beckett.wav")[: SAID_S * 16_000]
    said: dict[str, bytes] = {}
    jobs: dict[str, str] = {}
    with postgres_server() as postgres:
        server = BrokenServer(own_redis, postgres, tmp_path)
        place, order = server.place, victims(rng)
        try:
            for number in range(KILLS):
                pcm = as_pcm(speech * rng.uniform(0.5, 1.0))
                session_id = server.record(pcm)
                said[session_id] = pcm
                wait_until(partial(server.is_over, session_id), "the session has not ended")
                jobs[session_id] = place.jobs.create(LOCAL, {}, session_id=session_id)
                upload = place.upload()
                jobs[f"upload {number}"] = upload
                time.sleep(rng.uniform(0.0, MOMENT_S))
                server.kill(next(order))
            ended = {name: place.ended(job_id, ENDED_S) for name, job_id in jobs.items()}
            assert {name: job.reason for name, job in ended.items() if job.status != "done"} == {}
            check(place, said, jobs)
        finally:
            server.close()


def check(place: EnhancerPlace, said: dict[str, bytes], jobs: dict[str, str]) -> None:
    """Each recording is whole, and each result is there once."""
    recordings, reader = Recordings(str(place.folder)), HistoryReader(place.database)
    for session_id, pcm in said.items():
        with recordings.open_audio(session_id) as file:
            assert file.read()[44:] == pcm
        row = reader.session(LOCAL, session_id)
        assert row is not None
        shown = [each.text for each in reader.utterances(row["number"], "enhanced")]
        result = place.result(jobs[session_id])
        assert result.text
        assert shown == [segment.text for segment in result.segments]
    for job_id in jobs.values():
        assert place.result(job_id).text
        assert len([name for name in place.files.sizes(f"jobs/{job_id}") if name.startswith("merge")]) == 1
