"""Runs `python -m tests.fuzz`: atheris with the options of libFuzzer, such as -max_total_time=60."""

import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

OURS = ["broker", "dalston_realtime", "enhancement", "gateway", "runtime", "stages", "storage"]


def main() -> None:
    """Look for bytes that raise; what is found is written into the folder of now, and named."""
    with atheris.instrument_imports(include=OURS):
        from tests.fuzz.parsers import PARSERS, SEEDS, parse_any
    logging.disable()
    with TemporaryDirectory() as corpus:
        for parser in range(len(PARSERS)):
            for number, seed in enumerate(SEEDS):
                Path(corpus, f"{parser}-{number}").write_bytes(bytes([parser]) + seed)
        atheris.Setup([*sys.argv, "-rss_limit_mb=1024", "-timeout=20", corpus], parse_any)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
