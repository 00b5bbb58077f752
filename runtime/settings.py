"""Reads environment variables into frozen settings, once, in the `main()` of each process."""

import os
import resource
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.errors import StartupError
from runtime.logs import LogFormat

PREFIX = "DALSTON_"
DAY_S: Final = 86_400.0  # Seconds: no wait may be set longer, since clocks overflow at absurd times.


class Settings(BaseSettings):
    """What every process reads."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,  # `NAME=` in a `.env` or a manifest leaves the setting as it is
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
    )

    receiver_port: int = Field(9000, ge=1, le=65535, description="port of the worker")
    redis_url: str | None = Field(
        None, description="Redis to use; unset: the embedded server (a socket in the run folder)"
    )
    run_dir: Path | None = Field(
        None,
        description="folder of the sockets, mode 0700; unset: one in /tmp for each user and port",
    )
    data_dir: Path = Field(Path("data"), description="folder of what must outlive a restart")
    internal_secret: str | None = Field(
        None,
        pattern=r"^[!-~][ -~]{14,}[!-~]$",
        description="secret between gateways and workers; unset: one in the data folder, made at first start",
    )
    tls_ca: Path | None = Field(
        None,
        description="file of the CAs that are trusted in workers, gateways and rediss; unset: the system's",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="log level")
    log_format: LogFormat = Field("text", description="form of the log: text or json, a line an event")

    @property
    def sockets(self) -> Path:
        """The run folder: as set, or one that two users or two ports on a host do not share."""
        name = f"dalston-{os.getuid()}-{self.receiver_port}"
        return (self.run_dir or Path(tempfile.gettempdir()) / name).absolute()

    @property
    def redis_socket(self) -> Path:
        """The Unix socket of the embedded Redis."""
        return self.sockets / "redis.sock"

    @property
    def redis(self) -> str:
        """The URL of the Redis in use; one with TLS names the CA that is trusted."""
        url = self.redis_url or f"unix://{quote(str(self.redis_socket))}"
        if self.tls_ca is None or not url.startswith("rediss") or "ssl_ca_certs=" in url:
            return url
        return f"{url}{'&' if '?' in url else '?'}ssl_ca_certs={quote(str(self.tls_ca.absolute()))}"


S = TypeVar("S", bound=Settings)


def read_settings(kind: type[S]) -> S:
    """The settings of one kind of process from the environment.

    Raises:
        StartupError: a variable has a bad value; the message names each of them.
    """
    try:
        return kind()
    except ValidationError as error:
        lines = [_describe(str(each["loc"][0]), each["input"], each["msg"]) for each in error.errors()]
        raise StartupError("bad setting: " + "; ".join(lines)) from None


def _describe(field: str, value: Any, what: str) -> str:
    """What is wrong with a setting; a secret is not for the log."""
    if field == "internal_secret":
        return f"{PREFIX}{field.upper()}: at least 16 printable ASCII characters are needed"
    return f"{PREFIX}{field.upper()}={value!r}: {what.removeprefix('Value error, ')}"


def raise_file_limit() -> None:
    """For up to two sockets a session: the usual 1,024 files would end at 500 sessions."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
