"""Counts the words that are lost, doubled and invented where people dictate, answer, repeat and break off.

Without a server the stages run in this process on a simulated clock, so the result does not depend on how
busy the machine is.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import Final, TypeAlias

from rich.console import Console

from bench.load.spoken_playback import play_case, replay_case
from bench.measure.heard_alone import heard_alone
from bench.measure.word_losses import WordLosses, count_losses
from bench.recordings.spoken_case import SpokenCase
from bench.recordings.spoken_kinds import KINDS
from bench.report.html_report import announce_result
from bench.report.result_file import ResultFile, conditions
from bench.report.words_table import words_table
from bench.request import BenchRequest
from bench.servers.engines import utterance_engine_for
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client import Event
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.events import Final as FinalEvent
from engines.base import UtteranceEngine
from engines.silero import SileroVad

ALL: Final = "all"  # The kind of the row of sums.
THREADS: Final = 1  # CPU threads of a pass; the passes are short.

PlayCases: TypeAlias = Callable[[Sequence[SpokenCase], int], Iterable[list[Event]]]
"""A function that plays cases, with a seed, and yields the events of each."""


@dataclass(frozen=True, slots=True)
class WordsPlan:
    """What is played: the kinds, how many seeds, how many cases of each at most, how many at once."""

    kinds: tuple[str, ...] = tuple(KINDS)
    seeds: int = 1
    limit: int | None = None
    at_once: int = 4

    @classmethod
    def of(cls, only: Sequence[str] | None, seeds: int, limit: int | None, at_once: int) -> "WordsPlan":
        """The plan that the options ask for.

        Raises:
            UsageError: there is no such kind.
        """
        if unknown := [kind for kind in only or () if kind not in KINDS]:
            raise UsageError(f"--only {unknown[0]!r} is none of {', '.join(KINDS)}")
        return cls(tuple(only or KINDS), seeds, limit, at_once)

    def cases(self, kind: str, seed: int) -> list[SpokenCase]:
        """The cases of a kind; of too many, every second or third one, and so on."""
        made = list(KINDS[kind](seed))
        return made[:: ceil(len(made) / (self.limit or len(made)))]


@dataclass(frozen=True, slots=True)
class CaseTranscript:
    """A case, what came back, and the faults in it."""

    kind: str
    name: str
    seed: int
    said: str
    alone: tuple[str, ...]
    finals: tuple[str, ...]
    losses: WordLosses
    faulty: bool


@dataclass(frozen=True, slots=True)
class WordsRow:
    """The sums of a kind: its cases, how many of them have a fault, and the counts of words."""

    kind: str
    cases: int
    faulty: int
    losses: WordLosses


def measure(request: BenchRequest, plan: WordsPlan, report: Path | None = None) -> int:
    """Play all cases and print the table; returns the exit code.

    Raises:
        DalstonError: there is no such engine, or a session broke off.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    engine = utterance_engine_for(request.server_settings.get("models"), request.model, THREADS)
    play = _play_in_process(request, engine) if request.url is None else _play_to_server(request, plan)
    console, found = Console(stderr=True), list[CaseTranscript]()
    result_file = ResultFile("words", request.to_settings() | asdict(plan), found, conditions())
    try:
        for seed in range(request.seed, request.seed + plan.seeds):
            for kind in plan.kinds:
                with console.status(f"{kind}, seed {seed}"):
                    found += transcripts(plan.cases(kind, seed), seed, engine, play)
                replace(result_file, answer=rows(found)).save(request.out)
    finally:  # Also after Ctrl-C or an error, what was measured is shown.
        if found:
            Console().print(words_table(asdict(row) for row in rows(found)))
    announce_result(request.out, report)
    return ExitCode.OK


def transcripts(
    cases: Sequence[SpokenCase], seed: int, engine: UtteranceEngine, play: PlayCases
) -> Iterable[CaseTranscript]:
    """Play cases, and compare what came back with what the engine hears alone."""
    for case, events in zip(cases, play(cases, seed), strict=True):
        alone = heard_alone(engine, case)
        losses = count_losses(case, alone, events)
        finals = tuple(event.text for event in events if isinstance(event, FinalEvent))
        said = " | ".join(f"{part.text} {part.broken_off}".strip() for part in case.parts)
        yield CaseTranscript(
            case.kind,
            case.name,
            seed,
            said,
            tuple(map(_ways, alone)),
            finals,
            losses,
            faulty=losses.faults > 0,
        )


def _ways(texts: Sequence[str]) -> str:
    return " / ".join(dict.fromkeys(texts))


def rows(found: Sequence[CaseTranscript]) -> list[WordsRow]:
    """A row for each kind, and one for all."""
    kinds = [*dict.fromkeys(each.kind for each in found)]
    by_kind = [_row(kind, [each for each in found if each.kind == kind]) for kind in kinds]
    return by_kind if len(kinds) < 2 else [*by_kind, _row(ALL, found)]


def _row(kind: str, found: Sequence[CaseTranscript]) -> WordsRow:
    losses = sum((each.losses for each in found), WordLosses())
    return WordsRow(kind, len(found), sum(each.faulty for each in found), losses)


def _play_in_process(request: BenchRequest, engine: UtteranceEngine) -> PlayCases:
    vad = SileroVad()

    def play(cases: Sequence[SpokenCase], seed: int) -> Iterable[list[Event]]:
        for case in cases:
            yield replay_case(case, vad, engine, engine.info.variant, request.min_silence_ms, seed)

    return play


def _play_to_server(request: BenchRequest, plan: WordsPlan) -> PlayCases:
    target = request.target(request.url or "")

    async def play_all(cases: Sequence[SpokenCase]) -> list[list[Event]]:
        free = asyncio.Semaphore(plan.at_once)

        async def play_one(case: SpokenCase) -> list[Event]:
            async with free:
                return await play_case(case, target)

        return await asyncio.gather(*map(play_one, cases))

    return lambda cases, _seed: asyncio.run(play_all(cases))
