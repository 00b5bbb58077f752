"""Reads the settings of the session history."""

from pydantic import Field, field_validator

from runtime.settings import Settings

SCHEMES = ("postgresql", "postgresql+psycopg", "postgres")


class StorageSettings(Settings):
    """What the processes read that keep sessions."""

    database_url: str | None = Field(
        None,
        description="PostgreSQL of the session history; unset: SQLite, history.db in the data folder",
    )
    recordings_url: str | None = Field(
        None,
        description="folder or s3://bucket/prefix of recordings; unset: the data folder",
    )
    retention_days: float | None = Field(
        None,
        gt=0,
        le=36_500,
        description="days after its end for which a session is kept; unset: until it is deleted",
    )

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: str | None) -> str | None:
        if url is not None and url.partition("://")[0] not in SCHEMES:
            raise ValueError("must be a URL of PostgreSQL: postgresql://user:password@host/database")
        return url

    @property
    def recordings(self) -> str:
        """The folder or URL of the recordings in use."""
        return self.recordings_url or str(self.data_dir.absolute())

    @property
    def database(self) -> str:
        """The URL of the database in use, as SQLAlchemy reads it."""
        if self.database_url is None:
            return f"sqlite:///{(self.data_dir / 'history.db').absolute()}"
        return f"postgresql+psycopg://{self.database_url.partition('://')[2]}"
