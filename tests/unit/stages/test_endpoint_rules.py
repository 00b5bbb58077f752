"""The limits of utterances, of which gateways know some, and which stand in one place."""

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.silero import WINDOW
from runtime.worker_link import MAX_OVERLAP_S, PREROLL_S, WINDOW_S
from stages.endpoint_rules import EndpointRules


def test_the_link_knows_the_window_that_the_model_has() -> None:
    assert WINDOW == WINDOW_S * SAMPLE_RATE


def test_the_rules_are_those_that_gateways_know() -> None:
    rules = EndpointRules()
    assert rules.preroll == PREROLL_S * SAMPLE_RATE
    assert rules.overlap[1] == MAX_OVERLAP_S * SAMPLE_RATE
    assert rules.preroll % WINDOW == 0
