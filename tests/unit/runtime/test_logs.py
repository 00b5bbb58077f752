"""The two forms of a log line, and what is bound once for a session."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from runtime.logs import LogFormat, configure_logging, route_to_logging


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    route_to_logging()


def lines(form: LogFormat, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What one process writes for the same three events."""
    configure_logging("gateway", "info", form)
    structlog.contextvars.bind_contextvars(session="s1")
    log = structlog.stdlib.get_logger("gateway.test")
    log.debug("below the level")
    log.warning("lost its worker", worker="host 1", after=1.25)
    logging.getLogger("uvicorn").warning("%d connections", 3)
    try:
        raise ValueError("bad")
    except ValueError:
        log.exception("failed")
    return capsys.readouterr().err.splitlines()


def test_a_line_of_text_has_the_level_the_process_and_the_values(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third, *traceback = lines("text", capsys)
    assert first == "WARNING gateway lost its worker worker='host 1' after=1.25 session=s1"
    assert second == "WARNING gateway 3 connections session=s1"
    assert third == "ERROR   gateway failed session=s1"
    assert traceback[-1] == "ValueError: bad"


def test_no_request_of_ours_is_told_with_its_url(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("gateway", "info")
    logging.getLogger("httpx").info("HTTP Request: GET http://host/hook?key=secret")
    logging.getLogger("httpx").warning("slow")
    assert capsys.readouterr().err.splitlines() == ["WARNING gateway slow"]


def test_a_line_of_json_has_them_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = map(json.loads, lines("json", capsys))
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "level": "warning",
        "process": "gateway",
        "event": "lost its worker",
        "worker": "host 1",
        "after": 1.25,
        "session": "s1",
    }
    assert (second["event"], second["session"]) == ("3 connections", "s1")
    assert third["exception"].endswith("ValueError: bad")
