"""Runs `python -m broker.store`, the embedded Redis server."""

from broker.store.embedded import main
from runtime.process import run_main

if __name__ == "__main__":
    run_main("redis", main)
