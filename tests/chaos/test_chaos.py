"""Continuous speech from several clients while everything dies: no word is lost, none is said twice.

Two hosts run `dalston-rt serve` each, as users start it. Four clients speak two recordings, with and without
VAD. `make chaos` plays 50 faults in each of three rounds, and asserts how long nobody hears anything.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
import redis

from broker.store.keys import PLAIN as KEYS
from tests.support.chaos.faults import BREAKS_WORKER, Burst, FaultTargets, play
from tests.support.chaos.hosts import Cluster, cluster
from tests.support.chaos.listener import HeardSession, listen
from tests.support.chaos.report import RoundOutcome, add_marks, add_pauses, table
from tests.support.chaos.spoken import Speech, marked
from tests.support.chaos.variation import Variation, count_doubled, count_lost
from tests.support.chaos.wire import wire
from tests.support.speech import Samples, samples

FAULTS = int(os.environ.get("CHAOS_FAULTS", "6"))
SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1").split(",")]
HOSTS = int(os.environ.get("CHAOS_HOSTS", "2"))
AWAY_S = float(os.environ.get("CHAOS_AWAY_S", "3"))  # For which Redis answers nothing.
PAUSE_S = float(os.environ.get("CHAOS_PAUSE_S", "inf"))  # Of which no fault may make nobody hear anything.
TRACE = bool(os.environ.get("CHAOS_TRACE"))  # Whether to print what was logged in longer pauses.
SETTLE_S = 30.0
PER_FAULT_S = 25.0  # Of speech, more than any takes.
WARM_S = 20  # Seconds of speech before the first fault, so that every worker has worked.
LONG_S = 2.0  # Seconds of a pause that is told of.
GROWTH_MB = 60  # Of all processes together; every worker has worked before.
BEGINS = 8  # Places at which undisturbed sessions of a real model begin, spread over the recording.
# Samples; without the silence at the recordings' ends, which would be a long pause at each repetition.
RECORDINGS = (samples("two_cities.wav")[16_000 : 42 * 16_000], samples("beckett.wav")[3_200:154_000])


@dataclass(frozen=True)
class Round:
    """A seed's engine, and the seconds before which an utterance is cut."""

    engine: str
    max_utterance: str = "12"

    @property
    def has_marks(self) -> bool:
        """Whether each word is known; else the undisturbed server says what is heard."""
        return self.engine.startswith("marked")

    @property
    def vad(self) -> tuple[bool, ...]:
        """What the clients of each recording say of the VAD."""
        return (True, False) if self.has_marks else (True,)

    @property
    def settings(self) -> dict[str, str]:
        """Of the server: `signal` lets a fault break the next forward pass."""
        return {"models": f"fast=faulty:signal:0:{self.engine}", "max_utterance": self.max_utterance}


ROUNDS = {1: Round("marked:any"), 2: Round("marked:any", "4"), 3: Round("moonshine:tiny-en")}


async def speak_all(
    url: str, speeches: list[Speech], plan: Round, enough: asyncio.Event | None = None
) -> list[HeardSession]:
    """Each speech by two clients, one of them without VAD; by one where the engine needs a CPU for each."""
    spoken = [(each, vad) for each in speeches for vad in plan.vad]
    return await asyncio.gather(*(listen(url, each, enable_vad=vad, enough=enough) for each, vad in spoken))


async def disturb(
    server: Cluster, speeches: list[Speech], plan: Round, random: Random
) -> tuple[list[HeardSession], list[Burst]]:
    """All clients at once, and faults while they speak."""
    async with wire(server.ports, random) as between:
        enough, begun = asyncio.Event(), time.monotonic()
        url = f"ws://127.0.0.1:{between.port}"
        speaking = asyncio.create_task(speak_all(url, speeches, plan, enough))
        targets = FaultTargets(server, between, random, AWAY_S)
        try:
            played = await play(FAULTS, targets, lambda: not speaking.done())
        except AssertionError:
            print("\n".join(server.between(begun, time.monotonic())) if TRACE else "")
            raise
        enough.set()
        return await speaking, played


async def undisturbed_again(url: str, heard: list[HeardSession]) -> list[str]:
    """What is heard of exactly the same audio where nothing is broken."""
    found = await asyncio.gather(*(listen(url, each.speech, enable_vad=each.enable_vad) for each in heard))
    return [each.transcript for each in found]


async def begun_elsewhere(url: str, speech: Speech, recording: Samples) -> list[str]:
    """What is heard of one repetition of a recording and a half, from several places on."""
    step, length = len(recording) // BEGINS, 3 * len(recording)
    cuts = [Speech(speech.pcm[2 * k * step : 2 * k * step + length], (), ()) for k in range(BEGINS)]
    found = await asyncio.gather(*(listen(url, cut, enable_vad=True) for cut in cuts))
    return [each.transcript for each in found]


def taken(look: "redis.Redis") -> int:
    """Slots, leases and waiting sessions, as Redis knows them."""
    workers = [KEYS.worker_sessions(str(worker)) for worker in look.smembers(KEYS.workers)]
    sets = sum(look.scard(key) for key in (KEYS.active, *workers))
    return int(sets + sum(look.zcard(key) for key in (KEYS.leases, KEYS.started, KEYS.queue)))


def settled(server: Cluster) -> None:
    """Wait until nothing of the sessions is left."""
    server.wait_whole()
    until = time.monotonic() + SETTLE_S
    with redis.Redis.from_url(server.redis_url, decode_responses=True) as look:
        while taken(look) or server.hosts[0].ask("status")["active_sessions"]:
            assert time.monotonic() < until, "slots that nobody has are taken"
            time.sleep(0.2)
        for key in look.scan_iter(KEYS.checkpoint("*")):
            while look.hlen(key) > 1:
                assert time.monotonic() < until, f"more than the owner of a session that is over: {key}"
                time.sleep(0.2)
            assert look.ttl(key) > 0


def judge_texts(outcome: RoundOutcome, url: str, heard: list[HeardSession]) -> None:
    """Count what no undisturbed session of the same engine has lost, doubled or heard so."""
    references = asyncio.run(undisturbed_again(url, heard))
    for each, reference, recording in zip(heard, references, RECORDINGS, strict=True):
        variation = Variation()
        again = asyncio.run(begun_elsewhere(url, each.speech, recording))
        variation.learn(reference, again)
        found = variation.unknown(reference, each.transcript)
        cost = outcome.cost("(any)")
        cost.lost, cost.doubled = cost.lost + count_lost(found), cost.doubled + count_doubled(found)
        outcome.notes.append(f"{len(reference.split())} words, {len(variation.known)} known passages")
        outcome.notes += [
            f"... {' '.join(passage[:1])} [{passage[1]} / {passage[2]}] {passage[3]}" for passage in found
        ]


def tell(
    outcome: RoundOutcome, server: Cluster, heard: list[HeardSession], played: list[Burst], since: float
) -> None:
    """Note what was broken when, what was logged in long pauses, and all of it where a word is lost."""
    for burst, pause, begin in add_pauses(outcome, heard, played):
        if pause > LONG_S:
            kinds = ", ".join(f"{fault.kind} {fault.where}" for fault in burst.faults)
            outcome.notes.append(f"{kinds} {burst.at - begin:+.2f} s into a pause of {pause:.1f} s")
            outcome.notes += server.between(begin - 1, begin + pause + 0.3) if TRACE else []
    faults = [fault for burst in played for fault in burst.faults]
    when = ", ".join(f"{fault.at - since:.1f} {fault.kind} {fault.where}" for fault in faults)
    if outcome.words:
        outcome.notes.append(f"faults, by seconds: {when}")
        outcome.notes += server.between(since, time.monotonic()) if TRACE else []
    outcome.notes += [f"client {number}: {each.warnings}" for number, each in enumerate(heard, 1)]


def play_round(plan: Round, seed: int, outcome: RoundOutcome) -> tuple[list[HeardSession], int, list[str]]:
    """What each client heard, how many faults were played, and what went wrong besides."""
    seconds = FAULTS * PER_FAULT_S + AWAY_S * (1 + FAULTS // 20)
    speeches = [marked(each, round(seconds * 16_000 / len(each))) for each in RECORDINGS]
    with cluster(HOSTS, **plan.settings) as server:
        url = f"ws://127.0.0.1:{server.ports[0]}"
        first = asyncio.run(speak_all(url, [each.cut(WARM_S * 32_000) for each in speeches], plan))
        before, since = server.resident_mb(), time.monotonic()
        heard, played = asyncio.run(disturb(server, speeches, plan, Random(seed)))
        settled(server)
        grown = {name: mb - before.get(name, mb) for name, mb in server.resident_mb().items()}
        wrong = [line for host in server.hosts for line in host.log if "Traceback" in line]
        if plan.has_marks:
            wrong += [
                f"undisturbed: {each.finals}" for each in first if each.lost_marks() or each.doubled_marks()
            ]
            add_marks(outcome, heard, played)
        else:
            judge_texts(outcome, url, heard)
        tell(outcome, server, heard, played, since)
    outcome.notes.append(f"memory {sum(grown.values()):+.0f} MB: {grown}")
    wrong += [f"memory: {grown}"] if sum(grown.values()) > GROWTH_MB else []
    return heard, sum(len(burst.faults) for burst in played), wrong


@pytest.fixture(scope="module")
def outcomes() -> Iterator[list[RoundOutcome]]:
    """Those of all rounds, which are printed in one table."""
    found: list[RoundOutcome] = []
    yield found
    print("\n" + table(found))


@pytest.mark.timeout(300 + 30 * FAULTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_dies_no_word_is_lost_or_said_twice(
    seed: int, outcomes: list[RoundOutcome], capsys: pytest.CaptureFixture[str]
) -> None:
    plan, outcome = ROUNDS.get(seed, ROUNDS[1]), RoundOutcome(f"seed {seed}")
    outcomes.append(outcome)
    heard, played, wrong = play_round(plan, seed, outcome)
    with capsys.disabled():
        print(f"\n{outcome.name}: {plan}\n{table([outcome])}\n" + "\n".join(outcome.notes))
    for each in heard:
        assert each.transcript == " ".join(text for text in each.finals if text)
        assert each.utterances == list(range(1, len(each.utterances) + 1))
    assert outcome.words == 0, outcome.costs
    assert played >= FAULTS
    judged = {kind: cost.pause for kind, cost in outcome.costs.items() if kind.startswith(BREAKS_WORKER)}
    assert max(judged.values(), default=0.0) < PAUSE_S, judged
    assert not wrong, wrong
