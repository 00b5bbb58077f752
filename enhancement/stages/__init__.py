"""Holds the stages of a job, one module each, in the order of `dalston_realtime.protocol.jobs.STAGES`.

Each has `run(work: StageWork) -> StageResult | Skipped`; `enhancement.stage_work` says what they get and may
raise.
"""
