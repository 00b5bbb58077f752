"""What Redis knows of sessions and endings in, the time until a place comes free out."""

import math
from dataclasses import dataclass
from typing import Final

LONGEST_S: Final = 120.0  # what is further away than this is a guess
ENOUGH: Final = 3  # endings of the last minute that make a rate
OLD_S: Final = 10.0  # sessions that began just now tell nothing


@dataclass(frozen=True, slots=True)
class WaitEstimate:
    """Running sessions, those on workers that fit, the endings of late and the seconds they took, and the
    age of the session in the middle."""

    sessions: int
    fitting: int
    endings: int
    within: float
    age: float

    def wait(self, position: int) -> float | None:
        """Seconds until the `position`th place that fits comes free, None where nothing tells.

        From the rate of endings. Where they were too few, from the ages: sessions that end at random at
        an even rate have a median age of ln 2 times their mean duration.
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
