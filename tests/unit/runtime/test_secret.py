"""The secret between gateways and workers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.errors import StartupError
from runtime.secret import internal_secret, is_authorized
from runtime.settings import Settings


def test_processes_that_start_together_make_one_secret(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: internal_secret(settings), range(32)))
    (secret,) = found
    assert len(secret) >= 32
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["internal_secret"]
    assert (tmp_path / "data" / "internal_secret").stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_set_is_taken_and_nothing_is_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, internal_secret="sixteen or longer")
    assert internal_secret(settings) == "sixteen or longer"
    assert list(tmp_path.iterdir()) == []


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "internal_secret").write_text("x" * 32)
    (tmp_path / "internal_secret").chmod(0o644)
    with pytest.raises(StartupError, match="chmod 600"):
        internal_secret(Settings(data_dir=tmp_path))


def test_a_data_folder_that_cannot_be_used_is_named() -> None:
    with pytest.raises(StartupError, match="DALSTON_INTERNAL_SECRET"):
        internal_secret(Settings(data_dir=Path("/proc/nothing")))


@pytest.mark.parametrize(
    ("header", "authorized"),
    [("Bearer right", True), ("Bearer wrong", False), ("right", False), ("", False), (None, False)],
)
def test_only_the_right_header_is_let_in(header: str | None, authorized: bool) -> None:
    assert is_authorized(header, "right") is authorized
