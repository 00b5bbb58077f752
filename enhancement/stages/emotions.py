"""Hears emotions in the voices."""

from enhancement.stage_work import Skipped, StageWork


def run(work: StageWork) -> Skipped:
    """Say that this server has no model for it."""
    if work.settings.emotion_model is None:
        return Skipped("no model of emotions is set: set DALSTON_EMOTION_MODEL")
    return Skipped("this server hears no emotions")
