"""Runs `python -m stages.assembler`: one process of the stage."""

from runtime.process import run_main
from stages.assembler.stage import main

if __name__ == "__main__":
    run_main("assembler", main)
