"""Runs `python -m stages.asr`: one process of the stage."""

from runtime.process import run_main
from stages.asr.stage import main

if __name__ == "__main__":
    run_main("asr", main)
