"""Runs the batch pipeline: what was heard live is heard again, with more time and with all of the recording.

`python -m enhancement` is the process. settings says what it reads; dispatch hands jobs to Celery, and worker
takes them from it; job_process runs the stages of one job in a process of its own; stages has one module for
each stage, artifacts what they hand to each other.
"""
