"""Runs `python -m stages.receiver`: the receiver of one worker."""

from runtime.process import run_main
from stages.receiver.server import main

if __name__ == "__main__":
    run_main("receiver", main)
