"""A home of its own for each test, that PostgreSQL's user can reach, and nothing left afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hive_portal.stack import HiveHome


@pytest.fixture
def home() -> Iterator[HiveHome]:
    # Not `tmp_path`: pytest's folders are closed to other users, and their names are too long for sockets.
    folder = Path(tempfile.mkdtemp(prefix="hive-"))
    folder.chmod(0o711)
    yield HiveHome(folder)
    shutil.rmtree(folder)
