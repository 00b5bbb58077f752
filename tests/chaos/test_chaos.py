"""Continuous speech from several clients while everything dies: no word is lost, none is said twice."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest
import redis

from broker.store.keys import PLAIN as KEYS
from dalston_realtime.client import Final, Partial, SessionEnd, transcribe_stream
from tests.support.chaos.faults import Played, play
from tests.support.chaos.formation import Cluster, cluster
from tests.support.chaos.wire import wire
from tests.support.speech import samples
from tests.support.system_sessions import chunks, paced
from tests.support.words import Difference, compare

FAULTS = int(os.environ.get("CHAOS_FAULTS", "6"))
FIRST = int(os.environ.get("CHAOS_FIRST", "0"))  # of the table of faults
SEED = int(os.environ.get("CHAOS_SEED", "1"))
CLIENTS = 2
SETTLE_S = 60.0
PER_FAULT_S = 8.0  # a moment, and the time until what was killed is back
# Samples; without the silence at the recording's ends, which would be a pause of 3.5 s at each repetition.
SPEECH = slice(16_000, 42 * 16_000)
STALL_S = 0.7  # a wire that is held for longer may end an utterance, in the middle of a word that then is two
STRAYS = 2  # words that half a word may be taken for
GROWTH_MB = 60  # all processes together; every worker has worked before
TARGET_S = 2.0  # of a pause in the results
TRACE = os.environ.get("CHAOS_TRACE")  # whether to print what was logged in longer ones
BEHIND_S = 2.0  # a pause that begins so soon behind a fault is put down to it


@dataclass
class HeardSession:
    """What one client got."""

    finals: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)  # of results, wall clock
    transcript: str = ""
    utterances: list[int] = field(default_factory=list)

    def pauses(self, played: list[Played]) -> list[tuple[Played, float, float]]:
        """The longest time without a result that each fault can have caused, and when it began.

        A gap is put down to the last fault before its end.
        """
        found = list[tuple[Played, float, float]]()
        for fault, following in zip(played, [*played[1:], None], strict=True):
            until = fault.at + fault.seconds + BEHIND_S
            behind = [(b - a, a) for a, b in pairwise(self.times) if a < until and b > fault.at]
            gaps = [gap for gap in behind if following is None or sum(gap) <= following.at]
            found.append((fault, *max(gaps, default=(0.0, 0.0))))
        return found


def pauses(heard: list[HeardSession], played: list[Played], server: Cluster) -> str:
    """The pauses by kind of fault, and what was logged in those that are too long."""
    found: dict[str, list[float]] = {}
    traces = list[str]()
    for each in zip(*(client.pauses(played) for client in heard), strict=True):
        fault, pause, since = max(each, key=lambda found: found[1])
        found.setdefault(fault.kind, []).append(pause)
        if pause > TARGET_S:
            traces.append(
                f"{fault.kind} {fault.where} {fault.at - since:+.2f} s into a pause of {pause:.1f} s"
            )
            traces += server.between(since, since + pause) if TRACE else []
    longest = sorted(((max(times), kind, len(times)) for kind, times in found.items()), reverse=True)
    lines = [f"{kind} {most:.1f} s (of {count})" for most, kind, count in longest]
    return "\n".join(["longest pauses: " + ", ".join(lines), *traces])


async def listen(url: str, pcm: bytes, *, fast: bool) -> HeardSession:
    """One client's session."""
    heard = HeardSession()
    async with transcribe_stream(url, resume_for=60) as session:

        async def speak() -> None:
            if fast:
                for chunk in chunks(pcm):
                    await session.send(chunk)
            else:
                async for chunk in paced(pcm):
                    await session.send(chunk)
            await session.end()

        speaking = asyncio.create_task(speak())
        async for event in session:
            if isinstance(event, Final | Partial):
                heard.times.append(time.monotonic())
            if isinstance(event, Final):
                heard.finals.append(event.text)
                heard.utterances.append(event.utterance or 0)
            if isinstance(event, SessionEnd):
                heard.transcript = event.transcript or ""
        await speaking
    return heard


async def undisturbed(url: str, pcm: bytes, once: bytes) -> HeardSession:
    """One client's session; others beside it, so that every worker has worked."""
    others = [listen(url, once, fast=True) for _ in range(CLIENTS - 1)]
    heard, *_ = await asyncio.gather(listen(url, pcm, fast=True), *others)
    return heard


async def disturbed(server: Cluster, pcm: bytes, random: Random) -> tuple[list[HeardSession], list[Played]]:
    """All clients at once, and faults for as long as they speak."""
    async with wire(server.ports, random) as between:
        url = f"ws://127.0.0.1:{between.port}"
        clients = [asyncio.create_task(listen(url, pcm, fast=False)) for _ in range(CLIENTS)]
        running = lambda: not all(client.done() for client in clients)  # noqa: E731
        played = await play(FAULTS, server, between, random, running, FIRST)
        return await asyncio.gather(*clients), played


def taken(look: "redis.Redis") -> int:
    """Slots, leases and waiting sessions, as Redis knows them."""
    workers = [KEYS.worker_sessions(str(worker)) for worker in look.smembers(KEYS.workers)]
    sets = sum(look.scard(key) for key in (KEYS.active, *workers))
    return int(sets + sum(look.zcard(key) for key in (KEYS.leases, KEYS.started, KEYS.queue)))


def settled(server: Cluster, redis_url: str) -> None:
    """Wait until nothing of the sessions is left."""
    server.wait_whole()
    until = time.monotonic() + SETTLE_S
    with redis.Redis.from_url(redis_url, decode_responses=True) as look:
        while taken(look) or server.status()["active_sessions"]:
            assert time.monotonic() < until, "slots that nobody has are taken"
            time.sleep(0.2)
        for key in look.scan_iter(KEYS.checkpoint("*")):
            while look.hlen(key) > 1:
                assert time.monotonic() < until, f"more than the owner of a session that is over: {key}"
                time.sleep(0.2)
            assert look.ttl(key) > 0


@pytest.mark.timeout(300 + 12 * FAULTS)
def test_whatever_dies_no_word_is_lost_or_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    random = Random(SEED)
    once = samples("two_cities.wav")[SPEECH].tobytes()
    pcm = once * max(1, round(FAULTS * PER_FAULT_S * 32_000 / len(once)))
    with cluster(2, 2, resume_window="20") as (server, redis_url):
        url = f"ws://127.0.0.1:{server.ports[0]}"
        reference = asyncio.run(undisturbed(url, pcm, once))
        before = server.resident_mb()
        heard, played = asyncio.run(disturbed(server, pcm, random))
        settled(server, redis_url)
        grown = {name: mb - before.get(name, 0.0) for name, mb in server.resident_mb().items()}
        growth, (most, name) = sum(grown.values()), max((mb, name) for name, mb in grown.items())
        errors = [line for part in server.parts for line in part.log if "Traceback" in line]
    found = sum((compare(reference.transcript, each.transcript) for each in heard), Difference())
    stalls = sum(fault.kind == "held" and fault.seconds > STALL_S for fault in played)
    with capsys.disabled():
        print(
            f"\nfaults played {len(played)}, words lost {found.lost}, doubled {found.doubled},"
            f" heard differently {found.different} of {CLIENTS * len(reference.transcript.split())},"
            f" held for so long that an utterance ended {stalls}, memory {growth:+.0f} MB"
            f" ({name} {most:+.0f});"
            f" {pauses(heard, played, server)}"
        )
        print("\n".join(found.passages))
    for each in heard:
        assert each.transcript == " ".join(text for text in each.finals if text)
        assert each.utterances == list(range(1, len(each.utterances) + 1))
    assert found.lost + found.doubled <= STRAYS * stalls, found.passages
    assert len(played) >= FAULTS - 2, played
    assert growth < GROWTH_MB
    assert not errors
