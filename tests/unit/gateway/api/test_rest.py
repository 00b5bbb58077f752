"""The bodies of the REST answers, and what is asked for with them."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api import rest_bodies
from gateway.api.arguments import read_fields
from gateway.api.rest import DRAIN_S, DrainParams
from tests.support.workers import BUSY, DRAINING, LARGE, OFFLINE, WORKER, view


def describe_status(*about: Any) -> Any:
    """The totals, as JSON has them."""
    return msgspec.to_builtins(rest_bodies.describe_status(*about))


def describe_models(*about: Any) -> Any:
    """The models, as JSON has them."""
    return msgspec.to_builtins(rest_bodies.describe_models(*about))


def describe_worker(*about: Any) -> Any:
    """A worker, as JSON has it."""
    return msgspec.to_builtins(rest_bodies.describe_worker(*about))


def read_seconds(text: str | None) -> float:
    """The seconds of a drain."""
    return read_fields(DrainParams, {} if text is None else {"seconds": text}).seconds


def test_the_totals_count_live_workers_only() -> None:
    assert describe_status(view(WORKER, BUSY, DRAINING, OFFLINE)) == {
        "status": "ready",
        "total_capacity": 12,
        "active_sessions": 6,
        "available_capacity": 3,
        "worker_count": 3,
        "ready_workers": 1,
    }


def test_models_are_listed_with_the_workers_that_have_them() -> None:
    described = describe_models(view(WORKER, BUSY, OFFLINE))
    assert [(m["name"], m["streaming"], m["workers"]) for m in described["models"]] == [
        ("large", True, 1),
        ("tiny", False, 2),
    ]
    assert described["variants"] == {"fast": ["tiny"], "accurate": ["large"]}
    assert describe_models(view())["variants"] == {"fast": [], "accurate": []}


def test_a_model_that_is_both_variants_is_listed_for_each() -> None:
    both = replace(WORKER, models=(LARGE, replace(LARGE, variant="fast")))
    described = describe_models(view(both))
    assert described["variants"] == {"fast": ["large"], "accurate": ["large"]}
    assert [model["workers"] for model in described["models"]] == [1, 1]
    assert describe_worker(both)["models"] == ["large"]


def test_what_is_not_known_of_a_worker_is_left_out() -> None:
    described = describe_worker(WORKER)
    assert not {"version", "gpu_memory_used", "gpu_memory_total"} & set(described)
    assert describe_worker(replace(WORKER, gpu_memory_used="4GB"))["gpu_memory_used"] == "4GB"
    assert described["lag"] == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, DRAIN_S), ("0", 0.0), ("2.5", 2.5), ("86400", 86_400.0)]
)
def test_the_seconds_of_a_drain_are_read(text: str | None, seconds: float) -> None:
    assert read_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "86401", "nan", "inf"])
def test_other_seconds_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        read_seconds(text)
    assert refused.value.param == "seconds"
