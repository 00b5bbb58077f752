"""Lists the clients of other services that are tested, what each is judged by, and the table of it."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

ASSERTIONS: Final = {
    "text": "the text of our own client, once",
    "silence": "silence has no text, and a flush is answered",
    "cut": "the last word, though no silence follows",
    "turns": "two turns with the server's silence, one by hand",
    "flags": "what is not done is said",
    "telephone": "8 kHz mu-law, and 48 kHz",
    "idle": "12 s without audio",
    "key": "a wrong key is refused, the client says so and does not come back",
}
"""What a client is judged by, and how the table calls it."""


NODE: Final = "node"
"""The environment of the clients for JavaScript."""

Port: TypeAlias = Literal["gateway", "wyoming", "riva", "tls"]


class ConformantClient(NamedTuple):
    """A client; `module` is its driver in tests/dialects/clients, `environment` where its packages are.

    - manual: whether it can say by itself where turns end.
    - rate: Hz of its audio, where its protocol leaves it no choice.
    - lacks: the assertions that can't be tried with it.
    - port: to which of the server's ports it connects.
    - refusal: what its report of a wrong key has in it.
    - exact: whether its text is that of our own client; else it is heard otherwise, and the words may differ.
    - answers: whether it shows the answer to a flush that has no text.
    """

    name: str
    module: str
    environment: str
    manual: bool = False
    rate: int = 16_000
    lacks: tuple[str, ...] = ()
    port: Port = "gateway"
    refusal: str = "401"
    exact: bool = True
    answers: bool = True

    @property
    def assertions(self) -> tuple[str, ...]:
        """What it is judged by."""
        return tuple(name for name in ASSERTIONS if name not in self.lacks)

    @property
    def is_node(self) -> bool:
        """Whether it runs in Node, and not in Python."""
        return self.environment == NODE


def _framework(name: str, environment: str, port: Port = "gateway", **more: Any) -> ConformantClient:
    """A service of a framework, which chooses by itself how it speaks, and resamples."""
    module = name.lower().replace(" ", "_").replace("deepgram_flux", "flux")
    lacks = ("turns", "flags", "telephone", *more.pop("lacks", ()))
    return ConformantClient(
        name, module, environment, lacks=lacks, port=port, exact=False, answers=False, **more
    )


NO_FILE: Final = ("cut", "turns", "telephone", "idle")
"""What is nothing for a file."""

SILENT: Final = ("idle", "key")
"""What the frameworks' services for Riva can't be judged by: they log a refusal, and say nothing of it."""

LIGHT: Final = (
    ConformantClient("openai realtime", "openai_realtime", "light", manual=True),
    ConformantClient("openai realtime, beta", "openai_beta", "light", manual=True, rate=24_000),
    ConformantClient("deepgram-sdk live", "deepgram_live", "light", lacks=("turns",)),
    ConformantClient("deepgram-sdk Flux", "deepgram_flux", "light", lacks=("turns",), answers=False),
    ConformantClient("elevenlabs realtime", "elevenlabs_realtime", "light", manual=True),
    ConformantClient("assemblyai", "assemblyai_streaming", "light", lacks=("turns", "idle")),
    ConformantClient("Twilio's messages", "twilio_stream", "light", lacks=("turns", "idle"), refusal="4001"),
    ConformantClient(
        "wyoming", "wyoming_asr", "light", lacks=("turns", "telephone", "idle", "key"), port="wyoming"
    ),
    ConformantClient(
        "nvidia-riva-client",
        "riva_asr",
        "light",
        lacks=("turns", "idle"),
        port="riva",
        refusal="UNAUTHENTICATED",
    ),
)
HEAVY: Final = (
    ConformantClient("openai for files", "openai_rest", "light", lacks=NO_FILE, exact=False),
    ConformantClient("openai for files, events", "openai_rest_events", "light", lacks=NO_FILE, exact=False),
    ConformantClient("@deepgram/sdk", "npm_deepgram", NODE, lacks=("turns",)),
    ConformantClient("@elevenlabs/client", "npm_elevenlabs", NODE, manual=True),
    ConformantClient("openai of npm", "npm_openai", NODE, manual=True, port="tls"),
    _framework("LiveKit openai", "livekit"),
    _framework("LiveKit deepgram", "livekit"),
    _framework("LiveKit deepgram Flux", "livekit"),
    _framework("LiveKit elevenlabs", "livekit"),
    _framework("LiveKit nvidia", "livekit", "riva", lacks=SILENT),
    _framework("Pipecat openai", "pipecat"),
    _framework("Pipecat deepgram", "pipecat"),
    _framework("Pipecat deepgram Flux", "pipecat"),
    _framework("Pipecat elevenlabs", "pipecat", "tls"),
    _framework("Pipecat nvidia", "pipecat", "riva", lacks=SILENT),
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
