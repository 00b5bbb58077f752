"""Says how many processes of each stage a worker has, and gives each session the least loaded ones.

`python -m stages.topology vad=2,asr=2` prints what `honcho start -c` needs to start so many.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from runtime.errors import StartupError
from stages.messages import Route

FanOut: TypeAlias = Mapping[str, int]
"""How many processes each stage has."""

STAGES: Final = ("vad", "asr", "assembler", "sender")
"""The stages behind the receiver, in data-flow order; a `Route` has one entry for each."""

MAX_PROCESSES: Final = 64  # Processes of one stage: more on one host are a typing error.


def parse_fanout(text: str) -> FanOut:
    """What `DALSTON_FANOUT` says: processes of each stage; those not named have one.

    Raises:
        StartupError: an unknown stage, or not a whole number from 1 to 64.
    """
    try:
        return validate_fanout(text)
    except ValueError as error:
        raise StartupError(f"DALSTON_FANOUT={text!r}: {error}") from None


def validate_fanout(text: str) -> FanOut:
    """The same, as a validator of settings calls it.

    Raises:
        ValueError: an unknown stage, or not a whole number from 1 to 64.
    """
    counts = dict.fromkeys(STAGES, 1)
    for part in filter(None, (p.strip() for p in text.split(","))):
        stage, _, count = part.partition("=")
        if stage not in counts or not count.isdecimal() or not 1 <= int(count) <= MAX_PROCESSES:
            raise ValueError(
                f"{part!r} is not one of {', '.join(STAGES)}"
                f" with a number from 1 to {MAX_PROCESSES}, as in vad=2,asr=2"
            )
        counts[stage] = int(count)
    return counts


def honcho_concurrency(counts: FanOut) -> str:
    """The same as an argument of `honcho start -c`, which counts each process type."""
    return ",".join(f"{stage}={count}" for stage, count in counts.items())


@dataclass(slots=True)
class ProcessAllocator:
    """Gives each new session the least loaded process of every stage.

    Ties go to the process after the one that was given last, so that a load of short sessions spreads.
    """

    counts: FanOut
    _load: dict[str, list[int]] = field(init=False)
    _last: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._load = {stage: [0] * self.counts[stage] for stage in STAGES}
        self._last = dict.fromkeys(STAGES, -1)

    def allocate(self) -> Route:
        """The processes of a new session; to be released when the session is over."""
        return tuple(self._allocate_one(stage) for stage in STAGES)

    def release(self, route: Route) -> None:
        """The session that had this route is over."""
        for stage, index in zip(STAGES, route, strict=True):
            self._load[stage][index] -= 1

    def _allocate_one(self, stage: str) -> int:
        load, after = self._load[stage], self._last[stage] + 1
        order = [(after + k) % len(load) for k in range(len(load))]
        index = min(order, key=lambda i: load[i])
        load[index] += 1
        self._last[stage] = index
        return index


def main() -> None:
    """Print the concurrency for honcho: `honcho start -c "$(python -m stages.topology vad=2)"`."""
    try:
        print(honcho_concurrency(parse_fanout(",".join(sys.argv[1:]))))
    except StartupError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
