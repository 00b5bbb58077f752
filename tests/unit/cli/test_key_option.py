"""Every command takes --key, and shows it to the server; so does the Python client."""

import asyncio

import pytest
from typer.testing import CliRunner

from dalston_realtime.cli.app import app
from dalston_realtime.client.api_key import VARIABLE, authorization, use_api_key
from dalston_realtime.client.errors import UsageError


@pytest.fixture(autouse=True)
def _without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    use_api_key(None)


def test_the_key_comes_from_the_call_the_option_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert authorization() == {}
    monkeypatch.setenv(VARIABLE, "dk_env")
    assert authorization() == {"Authorization": "Bearer dk_env"}
    use_api_key("dk_option")
    assert authorization() == {"Authorization": "Bearer dk_option"}

    async def in_a_task() -> dict[str, str]:
        return authorization("dk_call")

    assert asyncio.run(in_a_task()) == {"Authorization": "Bearer dk_call"}


@pytest.mark.parametrize("key", ["two words", "line\r\nX-Evil: 1", "ü"])
def test_what_can_not_stand_in_a_header_is_refused(key: str) -> None:
    with pytest.raises(UsageError) as refused:
        authorization(key)
    assert key not in str(refused.value)


@pytest.mark.parametrize("command", ["transcribe", "mic", "sessions", "drain", "workers"])
def test_commands_take_a_key_and_do_not_show_that_of_the_environment(command: str) -> None:
    shown = CliRunner(env={VARIABLE: "dk_secret", "COLUMNS": "200"}).invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "--key" in shown.stdout
    assert "dk_secret" not in shown.stdout
