"""Counts what each kind of fault cost, and makes a table of it with a column group for each round."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.chaos.faults import Burst
from tests.support.chaos.listener import HeardSession

BEHIND_S = 2.5  # Seconds: a pause that begins so soon behind a fault is put down to it.
LATE_S = 15.0  # Seconds of an utterance and its replay, within which a fault may cost a word said before it.


@dataclass(slots=True)
class Cost:
    """What the faults of one kind cost: how many there were, words, and the longest pause in seconds."""

    count: int = 0
    lost: int = 0
    doubled: int = 0
    pause: float = 0.0

    def __str__(self) -> str:
        return f"{self.count} | {self.lost} | {self.doubled} | {self.pause:.1f}"


@dataclass(slots=True)
class RoundOutcome:
    """One round: what it was, what each kind cost, and what is to be said about it besides."""

    name: str
    costs: dict[str, Cost] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def words(self) -> int:
        """Words that were lost or doubled."""
        return sum(cost.lost + cost.doubled for cost in self.costs.values())

    def cost(self, kind: str) -> Cost:
        """That of a kind."""
        return self.costs.setdefault(kind, Cost())


def cause(played: Sequence[Burst], at: float) -> str:
    """The kind of the last fault that may have cost a word said at a time."""
    return next((burst.kind for burst in reversed(played) if burst.at <= at + LATE_S), "no fault")


def add_pauses(
    outcome: RoundOutcome, heard: Iterable[HeardSession], played: Sequence[Burst]
) -> list[tuple[Burst, float, float]]:
    """Add the longest pause of each fault; all faults, their pauses and when these began.

    A pause is put down to the last fault before its end.
    """
    clients, found = list(heard), []
    for burst, after in zip(played, [*played[1:], None], strict=True):
        until = min(burst.until + BEHIND_S, after.at if after else float("inf"))
        pause, since = max(client.longest_pause(burst.at, until) for client in clients)
        cost = outcome.cost(burst.kind)
        cost.count, cost.pause = cost.count + 1, max(cost.pause, pause)
        found.append((burst, pause, since))
    return found


def add_marks(outcome: RoundOutcome, heard: Iterable[HeardSession], played: Sequence[Burst]) -> None:
    """Add the marks that were lost or doubled to the faults that may have cost them."""
    for number, client in enumerate(heard, 1):
        lost, doubled = client.lost_marks(), client.doubled_marks()
        for at in lost:
            outcome.cost(cause(played, at)).lost += 1
        for at in doubled:
            outcome.cost(cause(played, at)).doubled += 1
        for name, times in (("lost", lost), ("doubled", doubled)):
            said = [round(at - client.begun, 1) for at in times]
            outcome.notes += [f"client {number} {name} what it said at {said} s"] if said else []


def table(outcomes: Sequence[RoundOutcome]) -> str:
    """All rounds beside each other: faults of each kind, words lost and doubled, and the longest pause."""
    kinds = sorted({kind for outcome in outcomes for kind in outcome.costs})
    head = [
        "| kind | "
        + " | ".join(f"{outcome.name}: n | lost | doubled | pause s" for outcome in outcomes)
        + " |"
    ]
    head.append("|---|" + "---|" * 4 * len(outcomes))
    rows = [
        f"| {kind} | " + " | ".join(str(o.costs.get(kind, Cost())) for o in outcomes) + " |" for kind in kinds
    ]
    total = " | ".join(str(_total(outcome.costs)) for outcome in outcomes)
    return "\n".join([*head, *rows, f"| all | {total} |"])


def _total(costs: Mapping[str, Cost]) -> Cost:
    found = list(costs.values())
    return Cost(
        sum(cost.count for cost in found),
        sum(cost.lost for cost in found),
        sum(cost.doubled for cost in found),
        max((cost.pause for cost in found), default=0.0),
    )
