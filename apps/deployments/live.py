"""Telling open pages that a deployment changed. A hint: a page that misses one is repaired by the next."""

from __future__ import annotations

import uuid

from django.db import transaction

from apps.nodes.telling import tell


def group_of(deployment_id: uuid.UUID) -> str:
    """The channel-layer group in which the deployment's open pages listen."""
    return f"deployment.{deployment_id.hex}"


def announce(*deployment_ids: uuid.UUID) -> None:
    """Once this transaction is committed, tell the open pages of these deployments."""
    groups = sorted(group_of(deployment_id) for deployment_id in set(deployment_ids))
    if groups:
        transaction.on_commit(lambda: tell(groups, {"type": "changed"}), robust=True)
