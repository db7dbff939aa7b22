"""The folder of one installation's data."""

from pathlib import Path

import pytest

from hive_portal.stack import HiveHome, StackError


def test_it_is_made_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVE_HOME", str(tmp_path / "a" / "home"))

    assert HiveHome().path == tmp_path / "a" / "home"
    assert (tmp_path / "a" / "home").is_dir()


def test_it_says_that_the_folder_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StackError, match=r"can't be written to .*: choose a folder of yours"):
        HiveHome(tmp_path / "file" / "home")


def test_it_says_that_a_file_system_is_read_only() -> None:
    with pytest.raises(StackError, match=r"can't be written to"):
        HiveHome("/proc/hive")


def test_it_keeps_a_second_hive_out_until_the_first_leaves(tmp_path: Path) -> None:
    with HiveHome(tmp_path), pytest.raises(StackError, match=r"another hive \(pid \d+\) is using"):
        HiveHome(tmp_path).lock()

    with HiveHome(tmp_path):
        pass


def test_it_keeps_a_secret_that_only_its_owner_reads(tmp_path: Path) -> None:
    secret = HiveHome(tmp_path).secret("django")

    assert len(secret) >= 50
    assert HiveHome(tmp_path).secret("django") == secret
    assert (tmp_path / "secrets" / "django").stat().st_mode & 0o077 == 0
