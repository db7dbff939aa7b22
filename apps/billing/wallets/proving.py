"""Whose wallet is whose: deposits from a team's wallet are credited to its main budget.

A team proves a wallet by signing a message that the Hive wrote for it, once and in time (EIP-4361). An
operator may register one without a proof, which takes deposits and nothing else.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from apps.billing.budgets.opening import open_budget
from apps.billing.wallets.models import Wallet, WalletProof
from apps.billing.wallets.siwe import Message, address_of, signer_of
from apps.nodes.models import ADDRESS
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Team

VALID = timedelta(minutes=10)
"""For how long a message may be signed."""


class WalletTaken(ValueError):
    """The address belongs to another team."""


class WalletUnproven(ValueError):
    """The signature proves nothing; the text says why and what to do."""


def register_wallet(team: Team, address: str) -> Wallet:
    """Register an address (0x and 40 hex digits); the same one again is the same wallet.

    Deposits that arrived before stay where they are: in suspense, for an operator to resolve. Raises
    WalletTaken, and django's ValidationError for what is no address.
    """
    address = address.lower()
    ADDRESS(address)
    wallet, _ = Wallet.objects.get_or_create(
        address=address, defaults={"team": team, "budget": open_budget(team)}
    )
    if wallet.team_id != team.pk:
        raise WalletTaken(f"{address} is another team's wallet: register one of your own")
    return wallet


def ask_for_proof(*, team: Team, address: str) -> WalletProof:
    """Write the message that the address is to sign within `VALID`. Raises NotAnAddress, WalletTaken."""
    address, now = address_of(address), timezone.now().replace(microsecond=0)
    if Wallet.objects.filter(address=address, proofs__isnull=False).exclude(team=team).exists():
        raise WalletTaken(f"{address} is another team's wallet: prove one of your own")
    WalletProof.objects.filter(team=team, signature="", expires_at__lt=now).delete()
    portal = settings.HIVE_PORTAL_URL
    message = Message(
        domain=urlsplit(portal).netloc,
        address=address,
        statement=f"This wallet belongs to the team {team.slug} of this Golem Hive. Signing moves no money.",
        uri=portal.rstrip("/") + reverse("billing:wallets", args=[team.slug]),
        chain_id=settings.HIVE_CHAIN_ID,
        nonce=secrets.token_hex(16),
        issued_at=now,
        expires_at=now + VALID,
    )
    return WalletProof.objects.create(
        team=team, address=address, nonce=message.nonce, message=message.text(), expires_at=message.expires_at
    )


@transaction.atomic
def prove_wallet(*, team: Team, nonce: str, signature: str, actor: Actor) -> Wallet:
    """Take the signature of the message with this nonce, once: the wallet is the team's and proven.

    Raises WalletUnproven, NotASignature, WalletTaken; nothing has changed then, and while there is time
    another signature of the same message may be given.
    """
    proof = WalletProof.objects.select_for_update().filter(team=team, nonce=nonce).first()
    now = timezone.now()
    if proof is None:
        raise WalletUnproven("the Hive has written no such message for your team: ask for one")
    if proof.signature:
        raise WalletUnproven("this message was signed already, and is good once: ask for another one")
    if proof.expires_at < now:
        raise WalletUnproven(f"the message expired at {proof.expires_at:%H:%M:%S} UTC: ask for another one")
    _must_be_signed(proof, signature)
    wallet = _taken_over(team, proof.address, actor=actor) or register_wallet(team, proof.address)
    proof.signature, proof.proven_at, proof.wallet = signature.strip(), now, wallet
    proof.save(update_fields=["signature", "proven_at", "wallet"])
    AuditLine.write(wallet, before="", after="proven", actor=actor, reason=f"signed message {nonce}")
    return wallet


def _taken_over(team: Team, address: str, *, actor: Actor) -> Wallet | None:
    """A proof goes before what was only registered for another team: what is paid in now is this one's."""
    wallet = Wallet.objects.select_for_update().filter(address=address).exclude(team=team).first()
    if wallet is None or wallet.is_proven:
        return None
    reason = "another team has proven that it is its own"
    AuditLine.write(wallet, before="registered", after="taken over", actor=actor, reason=reason)
    wallet.team, wallet.budget = team, open_budget(team)
    wallet.save(update_fields=["team", "budget"])
    return wallet


def _must_be_signed(proof: WalletProof, signature: str) -> None:
    signer = signer_of(proof.message, signature)
    if signer != proof.address:
        raise WalletUnproven(
            f"the message was signed by {signer} or is not word for word what was signed, not by "
            f"{proof.address}. A contract wallet (EIP-1271) can't be proven here: use a wallet with a key"
        )
