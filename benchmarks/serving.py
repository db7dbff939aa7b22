"""A Queen to connect to: `hive serve` as it is, in a folder of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hive_portal.serve import Hive
from hive_portal.stack import HiveHome, ports


@contextmanager
def serving(environ: Mapping[str, str]) -> Iterator[Hive]:
    """`environ` is added to that of portal and Celery."""
    folder = Path(tempfile.mkdtemp(prefix="hive-bench-"))
    port, edge_port = ports.find(), ports.find()
    try:
        home = HiveHome(folder)
        with Hive(home, port=port, edge_port=edge_port, chain=False, environ=environ, say=_pass_over) as hive:
            yield hive
    finally:
        shutil.rmtree((folder / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def enrolment_token(hive: Hive) -> str:
    """Django is set up in this process on the Hive's database."""
    return enrolment_tokens(hive, 1)[0]


def enrolment_tokens(hive: Hive, count: int) -> list[str]:
    """The same for many."""
    os.environ |= hive.env
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.db import transaction

    from apps.nodes.models import Enrolment

    owner, _ = get_user_model().objects.get_or_create(username="beekeeper", is_staff=True, is_superuser=True)
    with transaction.atomic():
        return [Enrolment.issue(owner=owner, approves=True)[1] for _ in range(count)]


def _pass_over(line: str) -> None:
    """What the supervisor says belongs to no JSON line."""
