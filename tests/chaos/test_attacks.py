"""Attacks a gateway as hostile clients do, and says what each attack costs the server and its honest clients.

`make attack` shows a table; `make attack MINUTES=60` plays all of the attacks again and again for so long.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, NamedTuple

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.attacks.hostile_clients import (
    ATTACKS,
    BREACHES,
    CLIENTS,
    SLOTS,
    Attack,
    garbage_http,
    half_closed,
    loud_session,
    ping_flood,
    refused_clients,
    resets_with_audio,
    resets_without_audio,
    silence,
    slow_body,
    text_that_is_no_utf8,
    unfinished_messages,
    waiting_clients,
)
from tests.support.attacks.scene import HONEST, AttackScene, Waits, scene
from tests.support.certificates import make_certificate
from tests.support.gateway_process import gateway_process, run
from tests.support.redis_fixture import redis_server

CALM_S: Final = 4.0  # Seconds before each attack, with which it is compared.
FREE_S: Final = 60.0  # Seconds until the slots must be free again.
FLAT_MB: Final = 50  # By which the memory may grow from the middle of a long attack to its end.
MINUTES: Final = float(os.environ.get("ATTACK_MINUTES") or 0)

pytestmark = [
    pytest.mark.skipif("ATTACKS" not in os.environ, reason="takes two minutes: `make attack`"),
    pytest.mark.timeout(0),
]
only_once = pytest.mark.skipif(bool(MINUTES), reason="with MINUTES the attacks are mixed")


class AttackCost(NamedTuple):
    """What an attack costs; `held` are the seconds for which it held slots after its end."""

    megabytes: float
    lines: int
    seconds: float
    held: float
    records: int


@pytest.fixture(scope="module")
def place() -> Iterator[AttackScene]:
    with scene() as found:
        load = os.getloadavg()[0]
        print(
            f"\n{HONEST} honest clients beside each attack; load average {load:.1f}, {os.cpu_count()} cores"
        )
        columns = f"{'MB':>7} {'lines':>6} {'s':>6} {'slots held s':>13} {'records':>8}"
        print(f"{'attack':24} {columns}  final p50, p95 ms: calm, attacked, ratio")
        yield found
        words = found.end_honest()
        print(f"\nhonest words: {words.said} said, {words.lost} lost; failures: {words.failures}")
        assert words.said > 0
        assert (words.lost, words.failures) == (0, "[]")
        assert not found.tracebacks()


async def _play(place: AttackScene, attack: Attack) -> AttackCost:
    before, lines, records, begun = place.memory(), place.lines(), place.records(), time.monotonic()
    playing = asyncio.ensure_future(attack(place.gateway))
    most = before
    while not playing.done():
        await asyncio.wait([playing], timeout=0.1)
        most = max(most, place.memory())
    await playing
    ended = time.monotonic()
    while place.slots() and time.monotonic() < ended + FREE_S:
        await asyncio.sleep(0.05)
    held = time.monotonic() - ended
    costs = place.lines() - lines, ended - begun, held, place.records() - records
    return AttackCost(most - before, *costs)


def cost(place: AttackScene, attack: Attack) -> AttackCost:
    """Play an attack after some calm, and print what it costs."""
    calm = time.monotonic()
    time.sleep(CALM_S)
    begun = time.monotonic()
    found = run(_play(place, attack), 300)
    time.sleep(max(0.0, begun + CALM_S - time.monotonic()))  # Enough finals to compare.
    before, during = place.waits(calm, begun), place.waits(begun, time.monotonic())
    ratios = Waits(during.p50 / before.p50, during.p95 / before.p95)
    shown = ", ".join(f"{each.p50:.1f} {each.p95:.1f}" for each in (before, during))
    print(
        f"{attack.__name__:24} {found.megabytes:7.1f} {found.lines:6} {found.seconds:6.1f} {found.held:13.1f}"
        f" {found.records:8}  {shown}, {ratios.p50:.2f} {ratios.p95:.2f}",
        flush=True,
    )
    return found


@only_once
def test_a_flood_of_pings(place: AttackScene) -> None:
    assert cost(place, ping_flood).megabytes < 16


@only_once
def test_messages_that_never_end(place: AttackScene) -> None:
    assert cost(place, unfinished_messages).megabytes < 2 * CLIENTS


@only_once
def test_breaches_of_the_protocol_are_hardly_logged(place: AttackScene) -> None:
    for attack in (text_that_is_no_utf8, garbage_http):
        assert cost(place, attack).lines < BREACHES * 2


@only_once
def test_a_body_byte_by_byte_is_ended(place: AttackScene) -> None:
    assert cost(place, slow_body).seconds < 29


@only_once
def test_connections_that_say_nothing_are_ended(place: AttackScene) -> None:
    assert cost(place, silence).seconds < 29


@only_once
def test_who_breaks_off_holds_slots_for_a_short_time_alone(place: AttackScene) -> None:
    assert cost(place, resets_without_audio).held < 5
    assert cost(place, resets_with_audio).held < 15


@only_once
def test_clients_that_wait_for_a_slot_are_kept_within_their_bytes(place: AttackScene) -> None:
    assert cost(place, waiting_clients).megabytes < 5 * CLIENTS


@only_once
def test_a_session_without_finals_is_kept_within_its_bytes(place: AttackScene) -> None:
    assert cost(place, loud_session).megabytes < 80


@only_once
def test_who_is_refused_leaves_no_record(place: AttackScene) -> None:
    assert cost(place, refused_clients).records <= SLOTS  # Those of the clients that hold the slots.


@only_once
def test_half_closed_connections_are_closed(place: AttackScene) -> None:
    assert cost(place, half_closed).held < 15


@only_once
def test_silence_where_tls_is_expected_is_ended(place: AttackScene, tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    settings = {"tls_cert": str(files.cert), "tls_key": str(files.key)}
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        gateway = stack.enter_context(gateway_process(redis.url, **settings))
        begun = time.monotonic()
        run(silence(gateway), 60)
        seconds = time.monotonic() - begun
        print(f"{'silence before TLS':24} {'':7} {'':6} {seconds:6.1f}")
        assert seconds < 29
        assert psutil.Process(gateway.process.pid).num_fds() < 100


@pytest.mark.skipif(not MINUTES, reason="`make attack MINUTES=60`")
def test_a_mixed_load_for_long(place: AttackScene) -> None:
    calm = time.monotonic()
    time.sleep(10)
    begun = time.monotonic()
    memory = [(0.0, place.memory())]

    async def main() -> int:
        played = 0
        while (now := time.monotonic()) < begun + MINUTES * 60:
            with suppress(ConnectionClosed):  # The attack before may still hold the slots.
                await ATTACKS[played % len(ATTACKS)](place.gateway)
            played += 1
            memory.append((now - begun, place.memory()))
        return played

    played = run(main(), MINUTES * 60 + 300)
    before, during = place.waits(calm, begun), place.waits(begun, time.monotonic())
    half = next(mb for at, mb in memory if at >= MINUTES * 30)
    after = memory[-1][1]
    print(f"\n{played} attacks in {MINUTES:g} min; load average {os.getloadavg()[0]:.1f}")
    print(f"gateway memory: {memory[0][1]:.0f} MB at first, {half:.0f} in the middle, {after:.0f} at the end")
    ratio = during.p95 / before.p95
    print(
        f"final p95: {before.p95:.1f} ms calm, {during.p95:.1f} attacked, {ratio:.2f}; p50 {during.p50:.1f}"
    )
    print(f"tracebacks: {len(place.tracebacks())}; lines of log: {place.lines()}")
    assert after < half + FLAT_MB
