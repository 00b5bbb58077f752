"""A client may choose among the models of the server, and has no other one loaded."""

import pytest

from engines.catalog import parse_models
from enhancement.engine_choice import choose_model
from enhancement.settings import EnhancerSettings
from enhancement.stage_work import BadJobInput

KNOWN = parse_models("fast=moonshine:tiny-en,accurate=whisper:small.en")


@pytest.mark.parametrize(
    ("wanted", "own", "chosen"),
    [
        (None, "accurate", "whisper:small.en"),
        (None, "fast", "moonshine:tiny-en"),
        (None, "whisper:large-v3", "whisper:large-v3"),
        ("fast", "accurate", "moonshine:tiny-en"),
        ("moonshine:tiny-en", "accurate", "moonshine:tiny-en"),
        ("whisper:large-v3", "whisper:large-v3", "whisper:large-v3"),
    ],
)
def test_a_model_of_the_server_is_taken(wanted: str | None, own: str, chosen: str) -> None:
    spec = choose_model(wanted, EnhancerSettings(enhancer_model=own), KNOWN)
    assert f"{spec.engine}:{spec.checkpoint}" == chosen


@pytest.mark.parametrize("wanted", ["whisper:/etc", "whisper:large-v3", "nothing", ""])
def test_another_model_is_refused(wanted: str) -> None:
    with pytest.raises(BadJobInput, match="none of this server, which has fast, accurate, moonshine:tiny-en"):
        choose_model(wanted, EnhancerSettings(enhancer_model="accurate"), KNOWN)


@pytest.mark.parametrize("name", ["best", "whisper", "nothing:x", "whisper:"])
def test_a_setting_that_names_no_model_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be fast, accurate, or an engine"):
        EnhancerSettings(enhancer_model=name)
