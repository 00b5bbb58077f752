"""Has a language model clean the text."""

from enhancement.stage_work import Skipped, StageWork


def run(work: StageWork) -> Skipped:
    """Say that this server has no language model."""
    if work.settings.llm_url is None:
        return Skipped("no language model is set: set DALSTON_LLM_URL")
    return Skipped("this server cleans no texts")
