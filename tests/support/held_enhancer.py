"""Runs an enhancer whose jobs wait in each stage while the test holds it."""

from enhancement.__main__ import main
from runtime.process import run_main

if __name__ == "__main__":
    run_main("enhancer", lambda: main("tests.support.held_job"))
