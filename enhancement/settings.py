"""Reads the settings of the batch pipeline."""

from pydantic import Field, field_validator

from dalston_realtime.protocol.models import VARIANTS
from engines.catalog import KINDS
from engines.settings import EngineSettings
from storage.settings import StorageSettings


class EnhancerSettings(StorageSettings, EngineSettings):
    """What `python -m enhancement` reads."""

    enhancer_model: str = Field(
        "accurate",
        description="what hears a recording again: a variant of DALSTON_MODELS, or an engine and its"
        " checkpoint, such as whisper:small.en",
    )
    enhancer_jobs: int = Field(1, ge=1, le=64, description="jobs of the batch pipeline at a time")
    enhancer_threads: int = Field(1, ge=1, le=256, description="CPU threads of one job")
    enhancer_broker: str | None = Field(
        None,
        description="URL of Celery's broker, such as amqp://...; unset: the Redis of the server",
    )
    llm_url: str | None = Field(
        None,
        description="server with OpenAI's API whose model cleans transcripts; unset: they stay as heard",
    )
    llm_model: str | None = Field(None, description="name of the model there; unset: the first that it lists")
    llm_key: str | None = Field(None, description="key of that server, where it wants one")
    emotion_model: str | None = Field(
        None,
        description="folder or name of an audio-classification model of transformers; unset: no emotions",
    )
    webhook_url: str | None = Field(
        None, description="URL that is told of the end of sessions and jobs; unset: none"
    )
    webhook_secret: str | None = Field(None, description="secret that signs what is sent there")
    webhook_private: bool = Field(False, description="whether that URL may be in a private network")

    @field_validator("enhancer_model")
    @classmethod
    def _is_a_model(cls, name: str) -> str:
        engine, colon, checkpoint = name.partition(":")
        if name in VARIANTS or (colon and checkpoint and engine in KINDS):
            return name
        raise ValueError("must be fast, accurate, or an engine and its checkpoint, such as whisper:small.en")
