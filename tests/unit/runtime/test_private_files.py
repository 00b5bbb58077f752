"""What another local user may have prepared where our run folder and its lock files would be."""

import os
from pathlib import Path

import pytest

from runtime.errors import StartupError
from runtime.private_files import make_private_dir, open_own_file
from runtime.process import lock


def mode(path: Path) -> int:
    """The permissions of a path."""
    return path.stat().st_mode & 0o777


def test_a_folder_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    assert mode(make_private_dir(tmp_path / "run")) == 0o700
    assert mode(make_private_dir(tmp_path / "a" / "b")) == 0o700


def test_a_link_in_place_of_the_folder_is_refused_and_its_target_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "of somebody"
    target.mkdir(mode=0o755)
    (tmp_path / "run").symlink_to(target)
    with pytest.raises(StartupError, match="is a link; set DALSTON_RUN_DIR to a folder of yours"):
        make_private_dir(tmp_path / "run")
    assert mode(target) == 0o755


def test_a_link_to_nowhere_and_a_file_in_place_of_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for name in ("dangling", "file"):
        with pytest.raises(StartupError, match="set DALSTON_RUN_DIR"):
            make_private_dir(tmp_path / name)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o777)
    os.chown(tmp_path / "run", 65_534, 65_534)
    with pytest.raises(StartupError, match="belongs to another user"):
        make_private_dir(tmp_path / "run")


def test_a_lock_that_is_a_link_is_refused_and_its_target_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("content")
    (tmp_path / "symbolic.lock").symlink_to(target)
    (tmp_path / "hard.lock").hardlink_to(target)
    os.mkfifo(tmp_path / "pipe.lock")
    for name in ("symbolic.lock", "hard.lock", "pipe.lock"):
        with pytest.raises(StartupError, match="is not a file of ours"):
            lock(tmp_path / name)
    assert target.read_text() == "content"


def test_a_file_is_made_for_us_alone(tmp_path: Path) -> None:
    os.close(open_own_file(tmp_path / "new"))
    assert mode(tmp_path / "new") == 0o600
