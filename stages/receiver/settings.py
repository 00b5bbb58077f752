"""Holds the settings that the receiver reads."""

from pathlib import Path

from pydantic import Field

from broker.records import WORKER_ID
from runtime.settings import DAY_S
from stages.settings import WorkerSettings


class ReceiverSettings(WorkerSettings):
    """What the receiver reads."""

    receiver_host: str = Field("127.0.0.1", description="address on which the worker listens")
    receiver_tls_cert: Path | None = Field(
        None, description="file of the certificate and its chain, for TLS to gateways; unset: no TLS"
    )
    receiver_tls_key: Path | None = Field(None, description="file of the certificate's private key")
    advertise_host: str | None = Field(
        None, description="host under which gateways reach the worker; unset: the one it listens on"
    )
    worker_id: str | None = Field(
        None,
        pattern=WORKER_ID,
        description="name of the worker, in ASCII without space and colon; unset: host name and port",
    )
    idle_timeout: float = Field(
        60, gt=0, le=DAY_S, description="seconds without audio and keepalive until a session is ended"
    )
    # at the fastest speech the transcript of a day is just below what a message may have
    max_session: float = Field(
        14_400, gt=0, le=DAY_S, description="seconds that a session may last, over all of its workers"
    )
