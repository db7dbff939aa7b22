"""Wallets with a key, and how they sign."""

from __future__ import annotations

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from apps.billing.models import Wallet
from apps.billing.wallets.proving import ask_for_proof, prove_wallet
from apps.teams.audit import Actor
from apps.teams.models import Team

WALLET: LocalAccount = Account.from_key("0x" + "77" * 32)
OTHER: LocalAccount = Account.from_key("0x" + "78" * 32)
OLGA = Actor("user", "olga")


def signed(text: str, key: LocalAccount = WALLET) -> str:
    """As `personal_sign` of a wallet answers."""
    return "0x" + bytes(key.sign_message(encode_defunct(text=text)).signature).hex()


def proven(team: Team, key: LocalAccount = WALLET) -> Wallet:
    """The team's wallet, proven as a team does it."""
    asked = ask_for_proof(team=team, address=str(key.address))
    return prove_wallet(team=team, nonce=asked.nonce, signature=signed(asked.message, key), actor=OLGA)
