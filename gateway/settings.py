"""Reads the settings of the gateway."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from broker.settings import BrokerSettings
from dalston_realtime.protocol.parameters import Overflow
from gateway.model_names import parse_aliases
from runtime.settings import DAY_S
from storage.api_keys.api_key import MAX_LIMIT
from storage.settings import StorageSettings

Network: TypeAlias = IPv4Network | IPv6Network

STRATEGIES: Final[tuple[str, ...]] = get_args(Overflow)


def _parse_overflows(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = frozenset() if value == "none" else frozenset(value.split(","))
    if names - set(STRATEGIES):
        raise ValueError(f"must be none, or some of {', '.join(STRATEGIES)} with commas between them")
    return names


def _parse_model_aliases(value: Any) -> Any:
    return parse_aliases(value) if isinstance(value, str) else value


def _parse_networks(value: Any) -> Any:
    """Networks from a list with commas between them."""
    if not isinstance(value, str):
        return value
    return tuple(ip_network(each.strip()) for each in value.split(",") if each.strip())


class GatewaySettings(BrokerSettings, StorageSettings):
    """What the gateway reads."""

    gateway_host: str = Field(
        "localhost", description="address that clients connect to; localhost: both 127.0.0.1 and ::1"
    )
    gateway_port: int = Field(
        8000, ge=0, le=65535, description="port that clients connect to; 0: any free one"
    )
    tls_cert: Path | None = Field(
        None, description="file of the certificate and its chain, for TLS to clients; unset: no TLS"
    )
    tls_key: Path | None = Field(None, description="file of the certificate's private key")
    handshake_timeout: float = Field(
        10.0, gt=0, le=DAY_S, description="seconds from the connection to a complete request"
    )
    client_timeout: float = Field(
        60.0, gt=0, le=DAY_S, description="seconds without a sign of the client's machine until it is gone"
    )
    flush_timeout: float = Field(
        10.0, ge=0, le=DAY_S, description="seconds to get the last results to a client before the close"
    )
    worker_connect_timeout: float = Field(
        2.0, gt=0, le=DAY_S, description="seconds to reach a worker before another one is tried"
    )
    worker_send_timeout: float = Field(
        30.0, gt=0, le=DAY_S, description="seconds that a worker may take to accept one frame of audio"
    )
    resume_window: float = Field(
        30.0,
        ge=0,
        le=DAY_S,
        description="seconds for which a client that lost its connection may come back; 0: not at all",
    )
    gateway_advertise_host: str | None = Field(
        None, description="host under which other gateways reach this one; unset: the one it listens on"
    )
    overflow: Overflow = Field(
        "reject", description="what to do where all slots are taken: reject, queue or degrade"
    )
    queue_timeout: float = Field(
        30.0, ge=0, le=DAY_S, description="seconds that a session waits for a slot before it is refused"
    )
    waiting_session_mb: float = Field(
        2.0, gt=0, le=1_000, description="MiB kept of what a client sends while its session waits for a slot"
    )
    waiting_mb: float = Field(
        256.0, gt=0, le=1_000_000, description="MiB of all of these; then no further session waits"
    )
    overflow_allowed: Annotated[frozenset[Overflow], NoDecode, BeforeValidator(_parse_overflows)] = Field(
        "reject,queue,degrade",
        validate_default=True,
        description="what clients may ask for themselves with overflow=, or none",
    )
    model_aliases: Annotated[dict[str, str], NoDecode, BeforeValidator(_parse_model_aliases)] = Field(
        "",
        validate_default=True,
        description="what other services call a model, as name=model,name=model; *: any other name",
    )
    gateway_timeout: float = Field(
        12.0,
        ge=0.5,
        le=DAY_S,
        description="seconds without a sign of life of a gateway until others look after what it kept",
    )
    store: Literal["off", "on"] = Field(
        "off", description="whether sessions are kept whose clients do not say so with store=: off or on"
    )
    max_upload_mb: int = Field(
        1024, ge=1, le=1_000_000, description="MiB of a file that is sent to be transcribed"
    )
    transcription_timeout: float = Field(
        600.0, gt=0, le=DAY_S, description="seconds for which a client may wait for the transcript of a file"
    )
    auth: Literal["on", "off"] = Field(
        "on",
        description="on: a key is needed, but while there is none not by this machine's user; off: none is",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_parse_networks)] = Field(
        "",
        validate_default=True,
        description="addresses or networks of proxies whose X-Forwarded-For is believed, with commas between",
    )
    key_sessions: int = Field(
        0,
        ge=0,
        le=MAX_LIMIT,
        description="live sessions at once of a key without a limit of its own; 0: any number",
    )
    key_audio_per_day: int = Field(
        0, ge=0, le=MAX_LIMIT, description="seconds of audio a day (UTC) of such a key; 0: any number"
    )
    key_requests_per_minute: int = Field(
        0, ge=0, le=MAX_LIMIT, description="requests and connections a minute of such a key; 0: any number"
    )
    address_sessions: int = Field(
        64,
        ge=0,
        le=MAX_LIMIT,
        description="live sessions at once from one address without a key, but this machine's; 0: any number",
    )
    address_audio_per_day: int = Field(
        0, ge=0, le=MAX_LIMIT, description="seconds of audio a day (UTC) from such an address; 0: any number"
    )
    address_requests_per_minute: int = Field(
        1200,
        ge=0,
        le=MAX_LIMIT,
        description="requests a minute from such an address, failed logins too; 0: any number",
    )
    open_metrics: Literal["off", "on"] = Field(
        "off", description="on: /metrics needs no key; off: it needs one with the scope admin"
    )
    traces_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="OTLP endpoint (HTTP) for a trace of each session; unset: none",
    )
    traces_share: float = Field(
        0.1, ge=0, le=1, description="share of the finals that have a span for each step in a trace, 0 to 1"
    )
    max_connections: int = Field(
        4096, ge=1, le=1_000_000, description="connections of this gateway for live audio at once"
    )
    wyoming_port: int | None = Field(
        None, ge=0, le=65535, description="port for Wyoming clients; 0: any free one; unset: none"
    )
    wyoming_host: str = Field("127.0.0.1", description="address on which Wyoming clients are served")
    wyoming_open: Literal["off", "on"] = Field(
        "off", description="on: whoever reaches that address may use Wyoming, which knows no keys"
    )
    wyoming_endpointing: Literal["client", "server"] = Field(
        "client", description="who finds the end of what is said to Wyoming: the client, or the server"
    )
    riva_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port for clients of NVIDIA Riva (gRPC); 0: any free one; unset: none",
    )
    riva_host: str = Field("127.0.0.1", description="address on which clients of Riva are served")
