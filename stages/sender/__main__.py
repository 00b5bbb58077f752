"""Runs `python -m stages.sender`: one process of the stage."""

from runtime.process import run_main
from stages.sender.stage import main

if __name__ == "__main__":
    run_main("sender", main)
