"""Runs `python -m stages.vad`: one process of the stage."""

from runtime.process import run_main
from stages.vad.stage import main

if __name__ == "__main__":
    run_main("vad", main)
