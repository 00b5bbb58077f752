"""Measures how long a page, a filter and a search of the session history take, with many sessions in it."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.report.result_file import ResultFile, conditions
from dalston_realtime.cli.exits import ExitCode
from gateway.api.history_answers import describe_transcript
from storage.database import Database
from storage.history.reading.history_query import HistoryQuery
from storage.history.reading.history_reader import HistoryReader
from storage.history.writing.changes import NewSession, NewUtterance, SessionChange
from storage.history.writing.rows import write_changes
from storage.settings import StorageSettings
from storage.tables import LOCAL

AT_ONCE: Final = 500  # Sessions of one transaction while the history is made.
BEGUN: Final = datetime(2026, 1, 1, tzinfo=UTC)
APART: Final = timedelta(minutes=2)  # Between the begins of two sessions.
UTTERANCES: Final = 8  # Of each session; the words of most are common ones.
LONG_UTTERANCES: Final = 5_000  # Of one session: four hours of speech.
COMMON: Final = (
    "the", "of", "and", "to", "in", "that", "it", "is", "was", "for", "on", "with", "they", "have",
)  # fmt: skip
RARE: Final = 2_000  # Words that are said now and then.
NEEDLE: Final = "quixotic"  # Is said once, by the first session.
SOMETIMES: Final = "sometimes"  # Is said once in twelve sessions: in one of a hundred utterances.
CUSTOMER: Final = ("metadata.customer", "c7")  # One session of a hundred has it.
ENGLISH: Final = ("metadata.language", "en")  # Every other session has it.
GERMAN: Final = ("metadata.language", "de")  # The others have it.
ERROR: Final = "error"  # The status of one session of a hundred.
EARLY: Final = BEGUN + 10 * APART  # Ten sessions began before.
BUDGET_MS: Final = 50.0  # Milliseconds for each question.
LONG_BUDGET_MS: Final = 100.0  # Milliseconds for the transcript of four hours.
LONG_ID: Final = "f" * 32


@dataclass(frozen=True, slots=True)
class HistoryTiming:
    """What one question took on one database, in ms; `found` is how many rows it gave."""

    database: str
    question: str
    found: int
    median_ms: float
    worst_ms: float
    budget_ms: float


def measure(sessions: int, rounds: int, url: str | None, out: Path) -> int:
    """Make a history in SQLite, and in PostgreSQL where `url` names an empty one, and ask both."""
    console, timings = Console(stderr=True), list[HistoryTiming]()
    settings = {"sessions": sessions, "rounds": rounds}
    result_file = ResultFile("history", settings, timings, conditions())
    with TemporaryDirectory(prefix="dalston-history-") as folder:
        urls = {"SQLite": f"sqlite:///{folder}/history.db"}
        if url is not None:
            urls["PostgreSQL"] = StorageSettings(database_url=url).database
        for name, each in urls.items():
            with console.status(f"{name}: {sessions:,} sessions"), opened(each) as database:
                make_history(database, sessions)
                timings += [replace(timing, database=name) for timing in ask_all(database, rounds)]
    result_file.save(out)
    Console().print(table(timings))
    print(f"The whole result is in {out}.")
    return ExitCode.OK


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database with its tables."""
    database = Database(url)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def make_history(database: Database, sessions: int, seed: int = 1) -> None:
    """Write so many sessions, as gateways would have, and one of four hours."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    for first in range(0, sessions, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, sessions))
        with database.writing() as unit:
            write_changes(unit, [new_change(number, dice) for number in numbers])
    with database.writing() as unit:
        write_changes(unit, [long_change(dice, sessions)])


def new_change(number: int, dice: random.Random) -> SessionChange:
    """A session that is over: one of a hundred by an error, one of a hundred of each customer."""
    said = [utterance(at, dice) for at in range(1, UTTERANCES + 1)]
    if number == 0:
        said[0] = replace(said[0], text=f"{said[0].text} {NEEDLE}")
    begun = BEGUN + number * APART
    if number % 12 == 0:
        said[1] = replace(said[1], text=f"{said[1].text} {SOMETIMES}")
    language = "en" if number % 2 else "de"
    metadata = {"customer": f"c{dice.randrange(100)}", "call": number, "language": language}
    values = {
        "status": "error" if dice.random() < 0.01 else "ended",
        "ended_at": begun + timedelta(seconds=60),
        "audio_seconds": 60.0,
    }
    new = NewSession(id=f"{number:032x}", begun_at=begun, gateway="g", model="tiny", metadata=metadata)
    return SessionChange(new.id, new, values, said, workers=["w1"])


def long_change(dice: random.Random, after: int) -> SessionChange:
    """A session of four hours, the youngest of all."""
    new = NewSession(id=LONG_ID, begun_at=BEGUN + after * APART, gateway="g")
    said = [utterance(at, dice) for at in range(1, LONG_UTTERANCES + 1)]
    return SessionChange(LONG_ID, new, {"status": "ended", "ended_at": new.begun_at}, said)


def utterance(number: int, dice: random.Random) -> NewUtterance:
    """Some ten words, with their times."""
    words = [dice.choice(COMMON) for _ in range(8)] + [f"word{dice.randrange(RARE)}" for _ in range(2)]
    start = number * 3.0
    timed = ",".join(f'{{"word":"{w}","start":{start + n / 4},"end":{start + n / 4 + 0.2}}}'
                     for n, w in enumerate(words))  # fmt: skip
    return NewUtterance(number=number, text=" ".join(words), start=start, end=start + 2.5, words=f"[{timed}]")


def ask_all(database: Database, rounds: int) -> list[HistoryTiming]:
    """What each question takes."""
    reader = HistoryReader(database)
    timings = [
        timed(name, rounds, lambda query=query: len(reader.page(query).sessions))  # type: ignore[misc]
        for name, query in questions(reader).items()
    ]
    long = timed("transcript of four hours", rounds, lambda: _transcript(reader))
    return [*timings, replace(long, budget_ms=LONG_BUDGET_MS)]


def questions(reader: HistoryReader) -> dict[str, HistoryQuery]:
    """A page, filters and searches, alone and combined."""
    alone = filters() | searches()
    return alone | combined() | second_pages(reader, alone)


def filters() -> dict[str, HistoryQuery]:
    """Pages of the sessions that fulfil filters."""
    return {
        "first page": HistoryQuery(),
        "by status": HistoryQuery(status=ERROR),
        "by metadata": HistoryQuery(tags=(CUSTOMER,)),
        "by one call's metadata": HistoryQuery(tags=(("metadata.call", "1"),)),
        "by metadata that nobody has": HistoryQuery(tags=(("metadata.customer", "none"),)),
        "by metadata of half of all": HistoryQuery(tags=(ENGLISH,)),
        "by metadata and status": HistoryQuery(tags=(CUSTOMER,), status=ERROR),
        "by metadata of half and status": HistoryQuery(tags=(ENGLISH,), status=ERROR),
        "by metadata of half and of 1 %": HistoryQuery(tags=(ENGLISH, CUSTOMER)),
        "by two halves that exclude each other": HistoryQuery(tags=(ENGLISH, GERMAN)),
        "by time, the oldest": HistoryQuery(begun_until=EARLY),
        "by time and metadata": HistoryQuery(begun_until=EARLY, tags=(ENGLISH,)),
    }


def searches() -> dict[str, HistoryQuery]:
    """Pages of the sessions in which words were said."""
    return {
        "search, a common word": HistoryQuery(words=("the",)),
        "search, two common words": HistoryQuery(words=("the", "they")),
        "search, in 1 % of utterances": HistoryQuery(words=(SOMETIMES,)),
        "search, in 0.1 % of utterances": HistoryQuery(words=("word7",)),
        "search, a word said once": HistoryQuery(words=(NEEDLE,)),
        "search, a word that nobody said": HistoryQuery(words=("nobody",)),
        "search, a common and a rare word": HistoryQuery(words=("the", "word7")),
    }


def combined() -> dict[str, HistoryQuery]:
    """Searches with filters."""
    found = {}
    for word, words in (("a common word", "the"), ("in 1 %", SOMETIMES), ("in 0.1 %", "word7")):
        asked = HistoryQuery(words=(words,))
        found[f"search, {word}, by metadata"] = replace(asked, tags=(CUSTOMER,))
        found[f"search, {word}, by metadata of half"] = replace(asked, tags=(ENGLISH,))
        found[f"search, {word}, by status"] = replace(asked, status=ERROR)
        found[f"search, {word}, by metadata and status"] = replace(asked, tags=(CUSTOMER,), status=ERROR)
        found[f"search, {word}, the oldest"] = replace(asked, begun_until=EARLY)
    return found


def second_pages(reader: HistoryReader, asked: dict[str, HistoryQuery]) -> dict[str, HistoryQuery]:
    """The pages behind those that have another one."""
    following = {name: reader.page(query).following for name, query in asked.items()}
    return {
        f"{name}, page 2": replace(asked[name], after=after) for name, after in following.items() if after
    }


def _transcript(reader: HistoryReader) -> int:
    from gateway.http import Reply

    session = reader.session(LOCAL, LONG_ID)
    assert session is not None
    rows = reader.utterances(session["number"], "live")
    Reply(describe_transcript(session, "live", rows))
    return len(rows)


def timed(question: str, rounds: int, ask: Callable[[], int]) -> HistoryTiming:
    """Ask several times; the first time, in which nothing is in memory, does not count."""
    found, took = ask(), []
    for _ in range(rounds):
        started = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - started))
    took.sort()
    return HistoryTiming("", question, found, round(took[len(took) // 2], 2), round(took[-1], 2), BUDGET_MS)


def table(timings: list[HistoryTiming]) -> Table:
    """A row for each question; red marks what is beyond its budget."""
    found = Table("Database", "Question", "Found", "Median, ms", "Worst, ms", box=None, padding=(0, 2, 0, 0))
    for each in timings:
        fields = asdict(each)
        style = "red" if each.worst_ms > each.budget_ms else ""
        columns = ("database", "question", "found", "median_ms", "worst_ms")
        found.add_row(*(str(fields[name]) for name in columns), style=style)
    return found
