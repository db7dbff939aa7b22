"""A Queen's database to measure on: embedded servers in a folder of their own, migrated, gone afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hive_portal.stack import HiveHome, Stack


@contextmanager
def queen(*, edge_port: int | None = None, chain: bool = False) -> Iterator[Stack]:
    """Django is set up inside the block, on an empty database as durable as a real one."""
    folder = Path(tempfile.mkdtemp(prefix="hive-bench-"))
    try:
        with Stack(HiveHome(folder), edge_port=edge_port, chain=chain, environ={}) as stack:
            os.environ |= stack.env | {
                "DJANGO_SETTINGS_MODULE": "hive_portal.settings",
                "HIVE_SECRET_KEY": "-",
            }
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)
