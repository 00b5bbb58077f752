"""Says which tests run one behind the other where `pytest -n` runs several at once."""

from typing import Final

from xdist.scheduler import LoadFileScheduling

TOGETHER: Final = "tests/system/"
"""Its tests share one whole server, and many of them speak to it in real time."""


class RingScheduling(LoadFileScheduling):  # type: ignore[misc]
    """The tests of a file behind one another, and all of the system's too."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return TOGETHER if file.startswith(TOGETHER) else file
