"""`make demo`: starts a server, plays a recording to it in real time, shows the text as it comes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from dalston_realtime.protocol.errors import DalstonError
from runtime.local_server import formation
from runtime.wheels import folder_of

MODEL: Final = "accurate"  # The one that hears best of what is installed.
RECORDING: Final = "two_cities.wav"  # the opening of A Tale of Two Cities, 44 s


def recording(name: str = RECORDING) -> Path:
    """A recording that comes with the embedded model's wheel.

    Raises:
        StartupError: the wheel is not installed.
    """
    return folder_of("moonshine_voice", "moonshine-voice==0.1.0") / "assets" / name


def main() -> int:
    """Run the demo; the exit code of the transcription."""
    try:
        audio = recording()
        print("starting a server of its own for the demo ...", flush=True)
        with formation() as server:
            print(f"{server.url} is ready. Playing {RECORDING}, as fast as it was spoken.\n", flush=True)
            command = [sys.executable, "-m", "dalston_realtime.cli", "transcribe", str(audio)]
            code = subprocess.call([*command, "--url", server.url, "--model", MODEL, "--timing"])
    except DalstonError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if code:
        return code
    program = os.path.relpath(Path(sys.executable).with_name("dalston-rt"))
    print("\nThat was one session. `make run` starts a server that keeps running; then, in another terminal:")
    print(f"    {program} transcribe FILE        # or a WebSocket client of yours, see README.md")
    return code


if __name__ == "__main__":
    sys.exit(main())
