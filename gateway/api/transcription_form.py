"""Reads the form of `POST /v1/audio/transcriptions`, which is OpenAI's with a few fields of ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.jobs import JobOptions
from dalston_realtime.protocol.models import VARIANTS
from dalston_realtime.protocol.parameters import LANGUAGE_TAG, MAX_NAME_CHARS

ResponseFormat: TypeAlias = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]
Granularity: TypeAlias = Literal["word", "segment"]

FORMATS: Final[tuple[str, ...]] = get_args(ResponseFormat)
GRANULARITIES: Final[tuple[str, ...]] = get_args(Granularity)
FLAGS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}
MAX_SPEAKERS: Final = 20  # Speakers of a recording; more are never told apart.
REFUSED: Final = ("known_speaker_names", "known_speaker_references")
"""Fields that would change who is named in the result, and which we do not do."""

NOT_DONE: Final = ("chunking_strategy", "include", "keywords", "prompt", "temperature")
"""Fields of OpenAI that change nothing, and are named in the answer."""

TEXT_ALONE: Final = ("json", "text")
"""The formats that show no speakers: nobody needs to be told apart for them."""


class TranscriptionForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form, as it is described; the values are texts, as all of a form are.

    `file` is the audio or video. With `async` the answer is the job, and not the transcript. `diarize` tells
    speakers apart, which the formats with speakers do by themselves.
    """

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    model: str | None = None
    language: str | None = None
    response_format: ResponseFormat = "json"
    timestamp_granularities: list[Granularity] = msgspec.field(
        default_factory=lambda: ["segment"], name="timestamp_granularities[]"
    )
    stream: bool = False
    no_wait: bool = msgspec.field(default=False, name="async")
    diarize: bool | None = None
    speakers: Annotated[int, Meta(ge=1, le=MAX_SPEAKERS)] | None = None
    names: bool = True
    cleanup: bool = False
    emotions: bool = False
    summary: bool = False
    action_items: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    """What a form asks for, but for the file.

    `wait`: the answer is the transcript and not the job. `ignored` names the fields that change nothing.
    """

    options: JobOptions
    response_format: ResponseFormat = "json"
    granularities: frozenset[Granularity] = frozenset({"segment"})
    stream: bool = False
    wait: bool = True
    ignored: tuple[str, ...] = ()


def read_form(fields: Iterable[tuple[str, str]]) -> TranscriptionRequest:
    """What the fields of a form ask for; the names of lists may end in `[]`, and may be repeated.

    Raises:
        InvalidParameter: a field has a bad value, or asks for what can't be done.
    """
    values = _by_name(fields)
    for name in REFUSED:
        if name in values:
            text = f"{name} is not supported: enroll voices with POST /v1/speakers instead"
            raise InvalidParameter(name, text)
    single = {name: texts[-1] for name, texts in values.items()}
    form = _format(single.get("response_format", "json"))
    return TranscriptionRequest(
        options=_options(values, form),
        response_format=form,
        granularities=_granularities(values.get("timestamp_granularities", ["segment"])),
        stream=_flag("stream", single.get("stream", "false")),
        wait=not _flag("async", single.get("async", "false")),
        ignored=tuple(name[:MAX_NAME_CHARS] for name in sorted(values.keys() - _KNOWN)),
    )


def check_options(options: JobOptions) -> JobOptions:
    """The options of a job that a client asks for, with its language as the models name it.

    Raises:
        InvalidParameter: one has a bad value.
    """
    if options.model is not None:
        _check_model(options.model)
    if options.speakers is not None:
        _speakers(str(options.speakers))
    language = None if options.language is None else _language(options.language)
    return msgspec.structs.replace(options, language=language)


def _by_name(fields: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, text in fields:
        found.setdefault(name.removesuffix("[]"), []).append(text)
    return found


def _options(values: Mapping[str, list[str]], form: ResponseFormat) -> JobOptions:
    """Whoever gets no speakers to see waits for none, unless they are asked for."""
    single = {name: texts[-1] for name, texts in values.items()}
    diarize = _flag("diarize", single.get("diarize", str(form not in TEXT_ALONE).lower()))
    if form == "diarized_json" and not diarize:
        raise InvalidParameter("diarize", "diarized_json needs speakers: leave diarize out, or say true")
    model = single.get("model")
    return JobOptions(
        # Clients of OpenAI name its models, often without a choice: ours is the one that the server has.
        model=model if model in VARIANTS else None,
        language=_spoken(values),
        diarize=diarize,
        speakers=_speakers(single["speakers"]) if "speakers" in single else None,
        **{name: _flag(name, single.get(name, default)) for name, default in _STAGES.items()},
    )


_STAGES: Final[Mapping[str, str]] = {
    "names": "true",
    "cleanup": "false",
    "emotions": "false",
    "summary": "false",
    "action_items": "false",
}
"""Stages that a form may ask for; what a file is sent for is its text as it was said."""


def _check_model(model: str) -> None:
    if model not in VARIANTS:
        raise InvalidParameter("model", f"model must be {' or '.join(VARIANTS)}, not {model[:40]!r}")


def _format(text: str) -> ResponseFormat:
    for form in get_args(ResponseFormat):
        if text == form:
            return form  # type: ignore[no-any-return]
    raise InvalidParameter(
        "response_format", f"response_format must be one of {', '.join(FORMATS)}, not {text[:40]!r}"
    )


def _granularities(texts: Iterable[str]) -> frozenset[Granularity]:
    found = frozenset(texts)
    if unknown := sorted(found - set(GRANULARITIES)):
        text = f"timestamp_granularities must be word or segment, not {unknown[0][:40]!r}"
        raise InvalidParameter("timestamp_granularities", text)
    return found  # type: ignore[return-value]


def _flag(name: str, text: str) -> bool:
    if text.lower() not in FLAGS:
        raise InvalidParameter(name, f"{name} must be true or false, not {text[:40]!r}")
    return FLAGS[text.lower()]


def _language(text: str) -> str | None:
    """The code before the region; None for `auto` and nothing, as the live endpoint reads it."""
    if text in ("", "auto"):
        return None
    tag = LANGUAGE_TAG.fullmatch(text)
    if tag is None:
        raise InvalidParameter("language", f"language must be auto or a code such as en, not {text[:40]!r}")
    return tag[1].lower()


def _spoken(values: Mapping[str, list[str]]) -> str | None:
    """The language of a form; a list of languages names one, or leaves the choice to the model."""
    if "language" in values:
        return _language(values["language"][-1])
    several = [_language(text) for text in values.get("languages", ())]
    return several[0] if len(several) == 1 else None


def _speakers(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 3 and 1 <= int(text) <= MAX_SPEAKERS:
        return int(text)
    raise InvalidParameter(
        "speakers", f"speakers must be a whole number from 1 to {MAX_SPEAKERS}, not {text[:40]!r}"
    )


_KNOWN: Final = {
    "model",
    "language",
    "languages",
    "response_format",
    "timestamp_granularities",
    "stream",
    "async",
    "diarize",
    "speakers",
    *_STAGES,
}
