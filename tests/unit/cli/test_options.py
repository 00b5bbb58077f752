"""Checks the values of the options that commands share."""

import pytest
import typer

from dalston_realtime.cli.options import min_silence


@pytest.mark.parametrize(("text", "value"), [("auto", "auto"), ("500", 500), ("7", 7)])
def test_a_silence_is_auto_or_a_number_that_the_server_judges(text: str, value: int | str) -> None:
    assert min_silence(text) == value


@pytest.mark.parametrize("text", ["", "long", "-1", "1.5", "²", "AUTO"])
def test_any_other_silence_is_named(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="neither auto nor a whole number"):
        min_silence(text)
