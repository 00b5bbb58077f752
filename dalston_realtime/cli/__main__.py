"""Starts the command `dalston-rt`, as `python -m dalston_realtime.cli` too."""

import os
import signal
import sys
from pathlib import Path


def main() -> None:
    """Run the command line; Ctrl-C while its libraries are loaded ends it without a traceback."""
    _open_what_is_closed()
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dalston_realtime.cli import app

    signal.signal(signal.SIGINT, on_interrupt)
    app.main()


def _open_what_is_closed() -> None:
    """Have output that was closed, as by `>&-`, go nowhere; the next file opened would be taken for it."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("r" if name == "stdin" else "w")  # noqa: SIM115 - stays open
            setattr(sys, name, nowhere)


if __name__ == "__main__":
    main()
