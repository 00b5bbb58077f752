"""Maps the names of other services' models to ours, since clients send them as defaults that nobody chose."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from dalston_realtime.protocol.models import VARIANTS

ANY: Final = "*"  # Stands for every name that is not known.

MODEL_ALIASES: Final[Mapping[str, str]] = {
    "flux-general-en": "accurate",
    "flux-general-multi": "accurate",
    "gpt-4o-mini-transcribe": "fast",
    "gpt-4o-transcribe": "accurate",
    "gpt-4o-transcribe-diarize": "accurate",
    "gpt-live-transcribe": "accurate",
    "gpt-realtime": "accurate",
    "gpt-realtime-whisper": "accurate",
    "gpt-transcribe": "accurate",
    "nova-2": "fast",
    "nova-2-general": "fast",
    "nova-3": "accurate",
    "nova-3-general": "accurate",
    "scribe_v1": "accurate",
    "scribe_v2": "accurate",
    "scribe_v2_realtime": "accurate",
    "universal-streaming": "accurate",
    "universal-streaming-english": "accurate",
    "universal-streaming-multilingual": "accurate",
    "whisper-1": "accurate",
    ANY: "fast",
}
"""What the services call their models, and the variant of ours that comes nearest."""


class ModelNames:
    """Resolves the names that clients send; `aliases` go before the built-in ones."""

    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        self._aliases = {**MODEL_ALIASES, **(aliases or {})}

    def resolve(self, name: str | None, loaded: Collection[str]) -> str:
        """Our model for a name; `loaded` has the models and the variants of the live workers.

        A name of ours means itself. A variant that no worker has gives way to one that some worker has.
        """
        if name and (name in loaded or name in VARIANTS):
            return name
        mapped = self._aliases.get(name or ANY, self._aliases[ANY])
        if mapped in loaded or not loaded:
            return mapped
        return next((variant for variant in VARIANTS if variant in loaded), mapped)


def parse_aliases(text: str) -> dict[str, str]:
    """The aliases in `name=model,name=model`, where `*` stands for any other name.

    Raises:
        ValueError: it has another form.
    """
    return dict(_pairs(part.strip() for part in text.split(",") if part.strip()))


def _pairs(parts: Iterable[str]) -> Iterable[tuple[str, str]]:
    for part in parts:
        name, equals, model = (each.strip() for each in part.partition("="))
        if not (name and equals and model):
            raise ValueError("must be name=model, with commas between them, such as nova-3=accurate,*=fast")
        yield name, model
