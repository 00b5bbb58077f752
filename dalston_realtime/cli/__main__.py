"""Starts the command `dalston-rt`, as `python -m dalston_realtime.cli` too."""

import signal


def main() -> None:
    """Run the command line; Ctrl-C while its libraries are loaded ends it without a traceback."""
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dalston_realtime.cli import app

    signal.signal(signal.SIGINT, on_interrupt)
    app.main()


if __name__ == "__main__":
    main()
