"""Lists the clients of other services that are tested, what each is judged by, and the table of it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

ASSERTIONS: Final = {
    "text": "the text of our own client, once",
    "silence": "silence has no text, and a flush is answered",
    "cut": "the last word, though no silence follows",
    "turns": "two turns with the server's silence, one by hand",
    "flags": "what is not done is said",
    "telephone": "8 kHz mu-law, and 48 kHz",
    "idle": "12 s without audio",
}
"""What a client is judged by, and how the table calls it."""


class ConformantClient(NamedTuple):
    """A client; `module` is its driver in tests/dialects/clients, `environment` where its packages are.

    - manual: whether it can say by itself where turns end.
    - rate: Hz of its audio, where its protocol leaves it no choice.
    - lacks: the assertions that can't be tried with it.
    """

    name: str
    module: str
    environment: str
    manual: bool = False
    rate: int = 16_000
    lacks: tuple[str, ...] = ()

    @property
    def assertions(self) -> tuple[str, ...]:
        """What it is judged by."""
        return tuple(name for name in ASSERTIONS if name not in self.lacks)


FRAMEWORK: Final = ("turns", "flags", "telephone")
"""A framework chooses these by itself."""

LIGHT: Final = (
    ConformantClient("openai realtime", "openai_realtime", "light", manual=True),
    ConformantClient("openai realtime, beta", "openai_beta", "light", manual=True, rate=24_000),
    ConformantClient("deepgram-sdk live", "deepgram_live", "light", lacks=("turns",)),
    ConformantClient("deepgram-sdk Flux", "deepgram_flux", "light", lacks=("turns",)),
    ConformantClient("elevenlabs realtime", "elevenlabs_realtime", "light", manual=True),
)
HEAVY: Final = (
    ConformantClient("LiveKit openai", "livekit_openai", "livekit", lacks=FRAMEWORK),
    ConformantClient("LiveKit deepgram", "livekit_deepgram", "livekit", lacks=FRAMEWORK),
    ConformantClient("LiveKit deepgram Flux", "livekit_flux", "livekit", lacks=FRAMEWORK),
    ConformantClient("Pipecat openai", "pipecat_openai", "pipecat", lacks=FRAMEWORK),
    ConformantClient("Pipecat deepgram", "pipecat_deepgram", "pipecat", lacks=FRAMEWORK),
    ConformantClient("Pipecat deepgram Flux", "pipecat_flux", "pipecat", lacks=FRAMEWORK),
)


def table(results: Mapping[tuple[str, str], str] | None = None) -> list[str]:
    """The table of docs/clients/index.md: what each client is judged by; or how it went."""
    rows = [f"| client | {' | '.join(ASSERTIONS)} |", "|---" * (len(ASSERTIONS) + 1) + "|"]
    for client in LIGHT + HEAVY:
        tried = dict.fromkeys(client.assertions, "yes") if results is None else results_of(client, results)
        rows.append(f"| {client.name} | {' | '.join(tried.get(name, '-') for name in ASSERTIONS)} |")
    return rows


def results_of(client: ConformantClient, results: Mapping[tuple[str, str], str]) -> dict[str, str]:
    """How a client did, by assertion."""
    return {name: results[client.name, name] for name in ASSERTIONS if (client.name, name) in results}
