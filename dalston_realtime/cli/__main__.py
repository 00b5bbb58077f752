"""Runs `python -m dalston_realtime.cli`, which is the command `dalston-rt`."""

from dalston_realtime.cli.app import main

if __name__ == "__main__":
    main()
