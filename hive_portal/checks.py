"""What `manage.py check` says of settings that are valid and still worth a second look."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from apps.billing.chain.networks import ChainSettings, contradictions, doubts
from apps.nodes.regions import table
from hive_portal import env


@register()
def the_region_is_known(**kwargs: Any) -> list[CheckMessage]:
    """A slip in HIVE_REGION would have every node's region believed unchecked."""
    if not settings.HIVE_REGION or settings.HIVE_REGION in table():
        return []
    return [
        Error(
            f"HIVE_REGION: the Hive knows no region {settings.HIVE_REGION}.",
            hint=f"One of {', '.join(table())}; or leave it out: then the regions of nodes are not checked.",
            id="hive.E001",
        )
    ]


@register()
def the_chain_is_one(**kwargs: Any) -> list[CheckMessage]:
    """Network, token, depths and nodes that can't belong together: money would go astray."""
    return [Error(text, id="hive.E002") for text in contradictions(chain_settings())]


@register(Tags.security, deploy=True)
def the_chain_is_meant(**kwargs: Any) -> list[CheckMessage]:
    """`check --deploy`: what is allowed of the chain's settings, and seldom meant."""
    return [Warning(text, id="hive.W002") for text in doubts(chain_settings())]


@register(Tags.security, deploy=True)
def nodes_are_looked_at(**kwargs: Any) -> list[CheckMessage]:
    """`check --deploy`: whoever may sign in may bring a machine that runs other people's work."""
    if settings.HIVE_APPROVE_NODES != "auto":
        return []
    return [
        Warning(
            "HIVE_APPROVE_NODES=auto: a machine takes work as soon as it has enrolled.",
            hint="Right where only people you trust can sign in; else set it to hand and approve each node.",
            id="hive.W001",
        )
    ]


def chain_settings() -> ChainSettings:
    return ChainSettings(
        network=settings.HIVE_NETWORK,
        chain_id=settings.HIVE_CHAIN_ID,
        token=settings.HIVE_GLM_TOKEN,
        multi_transfer=settings.HIVE_MULTI_TRANSFER,
        confirmations=settings.HIVE_CONFIRMATIONS,
        finality=settings.HIVE_FINALITY,
        start_block=settings.HIVE_CHAIN_START_BLOCK,
        rpc_urls=tuple(env.listed(settings.HIVE_RPC_URL)),
        quorum=settings.HIVE_RPC_QUORUM,
    )
