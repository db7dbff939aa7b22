from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.nodes.queen import queen_key


@pytest.fixture
def files(tmp_path: Path, settings: Any) -> tuple[Path, Path]:
    settings.HIVE_KEYSTORE = tmp_path / "keys" / "queen.json"
    settings.HIVE_KEYSTORE_PASSWORD_FILE = tmp_path / "keys" / "password"
    return settings.HIVE_KEYSTORE, settings.HIVE_KEYSTORE_PASSWORD_FILE


# The cache is passed by: each call reads the files, as a new process would.
fresh_key = queen_key.__wrapped__


def test_it_is_made_once_and_only_its_owner_can_read_it(files: tuple[Path, Path]) -> None:
    address = fresh_key().address

    assert fresh_key().address == address
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert sorted(file.name for file in files[0].parent.iterdir()) == ["password", "queen.json"]


def test_of_many_that_start_at_once_all_get_the_same_key(files: tuple[Path, Path]) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        addresses = {key.address for key in pool.map(lambda _: fresh_key(), range(8))}

    assert len(addresses) == 1


def test_it_says_which_password_is_missing(files: tuple[Path, Path]) -> None:
    fresh_key()
    files[1].unlink()

    with pytest.raises(ImproperlyConfigured, match=r"needs its password: put it into .*password"):
        fresh_key()


def test_it_says_when_the_password_does_not_fit(files: tuple[Path, Path]) -> None:
    fresh_key()
    files[1].write_text("wrong")

    with pytest.raises(ImproperlyConfigured, match=r"not a keystore that .* opens"):
        fresh_key()
