"""Environment variables in, frozen settings out; a bad one is named in one line."""

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from redis.asyncio.connection import parse_url

from dalston_realtime.protocol.close_codes import CloseCode, close_code
from engines.catalog import ModelSpec
from gateway.settings import GatewaySettings
from runtime.errors import StartupError
from runtime.private_files import make_private_dir
from runtime.process import FAULT, lock, run_main
from runtime.settings import Settings, read_settings
from stages.asr.settings import AsrSettings
from stages.process import process_index
from stages.receiver.settings import ReceiverSettings
from stages.settings import WorkerSettings, default_worker_id
from stages.topology import STAGES
from stages.vad.settings import VadSettings
from tests.support.hostile_frames import fewer


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DALSTON_")]:
        monkeypatch.delenv(name)


def test_the_defaults() -> None:
    settings = read_settings(ReceiverSettings)
    assert (settings.receiver_port, settings.sessions_per_gpu) == (9000, 4)
    assert settings.fanout == dict.fromkeys(STAGES, 1)
    assert settings.sockets.name == f"dalston-{os.getuid()}-9000"
    assert settings.redis == f"unix://{settings.sockets}/redis.sock"


def test_two_ports_share_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_settings(Settings).sockets
    monkeypatch.setenv("DALSTON_RECEIVER_PORT", "9001")
    assert read_settings(Settings).sockets != before


@pytest.mark.parametrize(
    ("kind", "name", "value", "field", "expected"),
    [
        (Settings, "RUN_DIR", "/x", "sockets", Path("/x")),
        (Settings, "REDIS_URL", "redis://h:1/2", "redis", "redis://h:1/2"),
        (Settings, "LOG_LEVEL", "debug", "log_level", "debug"),
        (WorkerSettings, "FANOUT", "vad=2", "fanout", dict.fromkeys(STAGES, 1) | {"vad": 2}),
        (WorkerSettings, "SESSIONS_PER_GPU", "16", "sessions_per_gpu", 16),
        (VadSettings, "MAX_UTTERANCE", "3", "max_utterance", 3.0),
        (AsrSettings, "MAX_BATCH", "1", "max_batch", 1),
        (AsrSettings, "MODELS", "fast=whisper:x", "models", (ModelSpec("fast", "whisper", "x"),)),
        (ReceiverSettings, "WORKER_ID", "w", "worker_id", "w"),
        (Settings, "INTERNAL_SECRET", "a secret of words", "internal_secret", "a secret of words"),
    ],
)
def test_a_variable_is_read(
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Settings],
    name: str,
    value: str,
    field: str,
    expected: object,
) -> None:
    monkeypatch.setenv(f"DALSTON_{name}", value)
    assert getattr(read_settings(kind), field) == expected


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Settings, "RECEIVER_PORT", "0"),
        (Settings, "RECEIVER_PORT", "nine"),
        (Settings, "LOG_LEVEL", "loud"),
        (WorkerSettings, "SESSIONS_PER_GPU", "0"),
        (VadSettings, "MAX_UTTERANCE", "2.9"),
        (VadSettings, "MAX_UTTERANCE", "nan"),
        (AsrSettings, "MAX_BATCH", "0"),
        (AsrSettings, "MODELS", "fast=sphinx:4"),
        (WorkerSettings, "FANOUT", "vda=2"),
        (VadSettings, "MAX_UTTERANCE", "30.1"),
        (AsrSettings, "PARTIAL_INTERVAL_MS", "10"),
        (ReceiverSettings, "IDLE_TIMEOUT", "0"),
        (ReceiverSettings, "IDLE_TIMEOUT", "inf"),
        (WorkerSettings, "DRAIN_TIMEOUT", "1e300"),
        (GatewaySettings, "CLIENT_TIMEOUT", "inf"),
        (GatewaySettings, "HANDSHAKE_TIMEOUT", "1e9"),
        (GatewaySettings, "RESUME_WINDOW", "inf"),
        (GatewaySettings, "SESSION_TTL", "999999999999"),
        (GatewaySettings, "RETRY_AFTER", "inf"),
        (GatewaySettings, "OVERFLOW_ALLOWED", "none,queue"),
    ],
)
def test_a_bad_value_is_named(
    monkeypatch: pytest.MonkeyPatch, kind: type[Settings], name: str, value: str
) -> None:
    monkeypatch.setenv(f"DALSTON_{name}", value)
    with pytest.raises(StartupError, match=f"DALSTON_{name}='{value}'"):
        read_settings(kind)


def test_a_bad_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("too-short", "a line\nand another one", "größer als sechzehn", " a space comes first"):
        monkeypatch.setenv("DALSTON_INTERNAL_SECRET", value)
        with pytest.raises(StartupError, match="DALSTON_INTERNAL_SECRET: at least 16") as raised:
            read_settings(Settings)
        assert value not in str(raised.value)


def test_an_empty_value_leaves_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_settings(ReceiverSettings), read_settings(GatewaySettings)
    for name in {*ReceiverSettings.model_fields, *GatewaySettings.model_fields}:
        monkeypatch.setenv(f"DALSTON_{name.upper()}", "")
    assert (read_settings(ReceiverSettings), read_settings(GatewaySettings)) == before


def test_the_socket_is_found_from_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DALSTON_RUN_DIR", "run%41 ?")
    settings = read_settings(Settings)
    assert settings.redis_socket == tmp_path / "run%41 ?" / "redis.sock"
    assert parse_url(settings.redis)["path"] == str(settings.redis_socket)


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DALSTON_RECEIVER_PORT", "x")
    monkeypatch.setenv("DALSTON_LOG_LEVEL", "y")
    with pytest.raises(StartupError, match=r"DALSTON_RECEIVER_PORT='x'.*; DALSTON_LOG_LEVEL='y'"):
        read_settings(Settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        read_settings(Settings).log_level = "debug"  # type: ignore[misc]


def test_the_run_folder_is_private(tmp_path: Path) -> None:
    folder = make_private_dir(tmp_path / "a" / "b")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    make_private_dir(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_another_users_run_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(StartupError, match="DALSTON_RUN_DIR"):
        make_private_dir(tmp_path)


def test_a_second_process_of_a_name_is_refused(tmp_path: Path) -> None:
    held = lock(tmp_path / "vad.1.lock")
    with pytest.raises(StartupError, match=r"vad\.1 runs already"):
        lock(tmp_path / "vad.1.lock")
    held.close()
    lock(tmp_path / "vad.1.lock").close()


def test_a_cleaner_that_removes_the_file_lets_no_second_process_in(tmp_path: Path) -> None:
    path = tmp_path / "vad.1.lock"
    held = lock(path)
    path.unlink()
    with pytest.raises(StartupError, match=r"vad\.1 runs already"):
        lock(path)
    lock(tmp_path / "vad.2.lock").close()
    held.close()
    lock(path).close()


def test_a_cleaner_that_heeds_locks_leaves_the_folder_alone(tmp_path: Path) -> None:
    held = lock(tmp_path / "vad.1.lock")
    cleaner = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held.close()
    fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(cleaner)


def test_a_worker_is_named_for_host_and_port() -> None:
    assert default_worker_id(9_001).endswith("-9001")


@pytest.mark.parametrize(
    ("name", "index"), [("", 0), ("vad", 0), ("vad.1", 0), ("vad.2", 1), ("vad.0", 0), ("a.b.12", 11)]
)
def test_honcho_says_which_process_it_is(name: str, index: int) -> None:
    assert process_index({"HONCHO_PROCESS_NAME": name}) == index


def test_a_startup_error_is_one_line_and_exit_code_1() -> None:
    def main() -> None:
        raise StartupError("no weights")

    with pytest.raises(SystemExit) as ended:
        run_main("asr", main)
    assert ended.value.code == "asr: no weights"


def test_what_nobody_expected_is_shown_with_a_code_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyError

    with pytest.raises(SystemExit) as ended:
        run_main("asr", main)
    assert ended.value.code == FAULT
    assert "KeyError" in capsys.readouterr().err


def test_a_main_that_returns_exits_with_0() -> None:
    with pytest.raises(SystemExit) as ended:
        run_main("asr", lambda: None)
    assert ended.value.code == 0


@pytest.mark.parametrize(
    ("name", "code"), [("no_capacity", 4503), ("lag_exceeded", 4010), ("restarting", 1012), ("?", 1011)]
)
def test_close_codes_have_names(name: str, code: int) -> None:
    assert close_code(name) == code
    assert name in ("?", CloseCode(code).error)


def all_kinds(kind: type[Settings]) -> Iterator[type[Settings]]:
    """The settings of every kind of process."""
    for below in kind.__subclasses__():
        yield below
        yield from all_kinds(below)


ODD: Final = (
    *(
        "",
        "0",
        "-1",
        "nan",
        "inf",
        "1e999",
        "9" * 5_000,
        "[",
        "{",
        "null",
        ",",
        "=",
        "a=b",
        "*=",
        "\u0661",
        "0x10",
    ),
    *("\udcff", "1_0", "::1/129", "1.2.3.4/40", "http://[", "redis://[x", "postgresql://u:p@h:x/", "s3://"),
)


def refusal(kind: type[Settings]) -> str | None:
    """Why the settings can't be, None where they can."""
    try:
        read_settings(kind)
    except StartupError as error:
        return str(error).encode().decode()
    return None


@fewer(2)
@given(st.data())
def test_any_value_is_taken_or_named(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted({*all_kinds(Settings)}, key=lambda each: each.__name__)))
    name = f"DALSTON_{data.draw(st.sampled_from(sorted(kind.model_fields))).upper()}"
    text = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=12)
    with patch.dict(os.environ, {name: data.draw(st.sampled_from(ODD) | text)}):
        outcome = refusal(kind)
        assert outcome is None or name in outcome
