"""Finds the names of speakers."""

from enhancement.stage_work import Skipped, StageWork


def run(work: StageWork) -> Skipped:
    """Say that this server finds none."""
    if work.diarized is None:
        return Skipped("speakers were not told apart")
    return Skipped("this server finds no names")
