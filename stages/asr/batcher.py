"""Chooses which sessions go into the next forward pass, of all the work that waits."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, Literal, TypeAlias, TypeVar

T = TypeVar("T")


class WorkKind(IntEnum):
    """Work in order of precedence."""

    FINAL = 0  # somebody waits for it
    SPECULATIVE = 1  # a speculative final, decoded before the end is sure
    PARTIAL = 2  # only the newest of a session is worth computing
    STEP = 3  # the next chunk of a streaming engine, which knows no other kind


Reason: TypeAlias = Literal["full", "drained"]
"""Why a batch left: as many sessions as it may hold, or nothing more of its kind was waiting."""


@dataclass(frozen=True, slots=True)
class Work(Generic[T]):
    """Something to decode for one session, waiting since `since` (ns).

    Work that `yields` lets others of its kind go first. Work that is `patient` lets a message that is just
    coming be handled first. Work that is `alone` shares its forward pass with no other session.
    """

    item: T
    kind: WorkKind
    since: int
    yields: bool = False
    patient: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """What goes into one forward pass, oldest first; `since` is when the oldest began to wait (ns)."""

    items: tuple[T, ...]
    kind: WorkKind
    reason: Reason
    since: int = field(default=0, compare=False)


def next_batch(waiting: Iterable[Work[T]], max_batch: int) -> Batch[T] | None:
    """The oldest work of the most urgent kind, of up to `max_batch` sessions of one engine.

    Kinds are not mixed: a final must not wait for the audio of the partials beside it. A session has at
    most one piece of work in a batch, so one with much to do does not starve the others.
    """
    works = sorted(waiting, key=lambda w: (w.kind, w.yields, w.since))
    if not works:
        return None
    first = works[0]
    same = [first.item]
    if not first.alone:
        same = [w.item for w in works if w.kind is first.kind and not w.alone]
    reason: Reason = "full" if len(same) >= max_batch else "drained"
    return Batch(tuple(same[:max_batch]), first.kind, reason, first.since)
