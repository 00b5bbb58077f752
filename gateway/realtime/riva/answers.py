"""Turns the events of a session into the responses of Riva."""

from collections.abc import Iterable
from typing import Any

from dalston_realtime.protocol.events import Event, Partial, Word
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.models import ModelInfo
from gateway.realtime.riva.proto import (
    Alternative,
    ConfigResponse,
    RecognizeResponse,
    StreamingResponse,
)


def streaming_response(event: Event) -> Any:
    """The response that an event means, None where it means none.

    Clients put the finals of an utterance together without a space, so each final ends with one. A final that
    answers a flush is told without text, too.
    """
    match event:
        case Partial(text=text) if text:
            is_final, alternative = False, Alternative(transcript=text)
        case FinalEvent() if event.text or event.flush_id is not None:
            is_final, alternative = True, final_alternative(event)
        case _:
            return None
    response = StreamingResponse()
    response.results.add(alternatives=[alternative], is_final=is_final, audio_processed=event.end or 0.0)
    return response


def recognize_response(finals: Iterable[FinalEvent]) -> Any:
    """The response for a whole recording: a result for each final with text."""
    response = RecognizeResponse()
    for final in finals:
        if final.text:
            alternative = final_alternative(final)
            response.results.add(alternatives=[alternative], audio_processed=final.end or 0.0)
    return response


def config_response(models: Iterable[ModelInfo]) -> Any:
    """The response that lists the models."""
    response = ConfigResponse()
    for model in models:
        listed = response.model_config.add(model_name=model.name)
        for key, value in (("type", "online"), ("language_code", ",".join(model.languages))):
            listed.parameters.add(key=key, value=value)
    return response


def final_alternative(final: FinalEvent) -> Any:
    """The one text of a final that there is."""
    alternative = Alternative(
        transcript=f"{final.text} " if final.text else "",
        confidence=final.confidence or 0.0,
        language_code=[final.language] if final.language else [],
    )
    for word in final.words or ():
        _add_word(alternative, word)
    return alternative


def _add_word(alternative: Any, word: Word) -> None:
    alternative.words.add(
        word=word.word,
        start_time=round((word.start or 0.0) * 1000),
        end_time=round((word.end or 0.0) * 1000),
        confidence=word.confidence or 0.0,
    )
