"""Estimates the time until a slot comes free, from running sessions and recent endings."""

import math
from dataclasses import dataclass
from typing import Final

LONGEST_S: Final = 120.0  # Seconds; a longer estimate would be a guess, so it is cut here.
ENOUGH: Final = 3  # Endings in the last minute from which a rate can be computed.
OLD_S: Final = 10.0  # Seconds of median age below which ages say nothing about durations.


@dataclass(frozen=True, slots=True)
class WaitEstimate:
    """The numbers of an estimate.

    `sessions` run, `fitting` of them on workers that fit; `endings` is the number of the last minute,
    `within` the seconds over which these are spread, `age` the median age of running sessions in seconds.
    """

    sessions: int
    fitting: int
    endings: int
    within: float
    age: float

    def wait(self, position: int) -> float | None:
        """Seconds until the `position`th fitting slot comes free, None where the numbers are too few.

        Computed from the rate of endings. If there were too few of them, from the ages: sessions that end at
        random at a constant rate have a median age of ln 2 times their mean duration.
        """
        if self.endings >= ENOUGH and self.within > 0:
            rate = self.endings / self.within
        elif self.age >= OLD_S:
            rate = self.sessions * math.log(2) / self.age
        else:
            return None
        share = self.fitting / self.sessions if self.sessions else 1.0
        if rate * share <= 0:
            return None
        return round(min(LONGEST_S, position / (rate * share)), 1)
