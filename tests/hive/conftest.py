from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.hive.whole import WholeHive, whole_hive


@pytest.fixture(scope="package")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeHive]:
    """One for all tests here; each brings Bees and deployments of its own."""
    folder = tmp_path_factory.mktemp("hive")
    folder.parent.chmod(0o711)  # replicas run as users of their own, and reach their folders
    folder.chmod(0o711)
    with whole_hive(folder) as running:
        yield running
    shutil.rmtree((folder / "queen" / "postgres").resolve(), ignore_errors=True)
