"""What `manage.py check` says of settings that are valid and still worth a second look."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

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


@register()
def the_signer_and_the_treasury_go_together(**kwargs: Any) -> list[CheckMessage]:
    """Who signs for which wallet: one without the other pays nobody, or takes deposits nobody can spend."""
    if bool(settings.HIVE_SIGNER_URL) == bool(settings.HIVE_TREASURY):
        return []
    if settings.HIVE_SIGNER_URL:
        text, hint = "HIVE_SIGNER_URL is set, HIVE_TREASURY is not.", "Name the wallet that it signs for."
    else:
        text = "HIVE_TREASURY is set, HIVE_SIGNER_URL is not: nobody could sign for it."
        hint = "Name the signer that has its key, or leave it out: the keystore's own wallet is used then."
    return [Error(text, hint=hint, id="hive.E003")]


@register()
def payments_can_leave(**kwargs: Any) -> list[CheckMessage]:
    """With these the treasury would pay nobody, or sign without end."""
    after_s, wrong = settings.HIVE_REPLACE_AFTER_S, []
    for name in ("HIVE_MAX_FEE_GWEI", "HIVE_MAX_TIP_GWEI"):
        most = getattr(settings, name)
        if not (most.is_finite() and most > 0):
            wrong.append(f"{name}: expected gwei for a unit of gas, above 0, got {most}.")
    if not after_s >= 1:
        wrong.append(f"HIVE_REPLACE_AFTER_S: expected 1 second or more, got {after_s:g}.")
    if settings.HIVE_PAYOUTS_PER_BATCH < 1:
        wrong.append(f"HIVE_PAYOUTS_PER_BATCH: expected 1 or more, got {settings.HIVE_PAYOUTS_PER_BATCH}.")
    return [Error(text, hint="Leave it out for the default.", id="hive.E004") for text in wrong]


@register(Tags.security, deploy=True)
def the_signer_is_asked_in_private(**kwargs: Any) -> list[CheckMessage]:
    """`check --deploy`: whoever hears the signer's password may have it sign."""
    url = urlsplit(settings.HIVE_SIGNER_URL)
    if url.scheme != "http" or url.hostname in {"localhost", "127.0.0.1", "::1"}:
        return []
    return [
        Warning(
            "HIVE_SIGNER_URL is plain http to another machine.",
            hint="Run the signer beside the Hive, or put it behind https.",
            id="hive.W003",
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
