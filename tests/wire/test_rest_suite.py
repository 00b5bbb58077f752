"""Calls every operation of the REST interface as its description allows, and as it does not."""

import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi import checks

from tests.support.gateway_process import gateway_process
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer

# What is answered is what the description says. A call that it allows need not be accepted.
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
FORMS = {
    "POST /v1/audio/transcriptions",
    "POST /v1/speakers",
}  # It takes long to make up forms: left to `make fuzz`.
EXAMPLES = int(os.environ.get("REST_EXAMPLES", "1"))  # Of each operation; `make fuzz` looks at many more.


def test_no_call_of_an_operation_is_a_fault_of_the_server(shared_redis: RedisServer, tmp_path: Path) -> None:
    # No enhancer runs, so that a client would wait long for a transcript.
    with gateway_process(shared_redis.url, transcription_timeout="0.05", data_dir=str(tmp_path)) as gateway:
        schema: Any = schemathesis.openapi.from_dict(gateway.get("/openapi.json").json())
        operations = [found.ok() for found in schema.get_all_operations()]
        for operation in operations:
            if EXAMPLES > 1 or operation.label not in FORMS:
                call_often(operation, f"http://{gateway.host}:{gateway.port}")
        assert not [line for line in gateway.process.lines if "Traceback" in line]


def call_often(operation: Any, base: str) -> None:
    """Play an operation with arguments that hypothesis finds."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def play(case: Any) -> None:
        answer = case.call_and_validate(base_url=base, timeout=DEADLINE_S, checks=CHECKS)
        assert answer.status_code != 500

    play()
