"""Whose wallet is whose: deposits from a registered address are credited to its team's main budget."""

from __future__ import annotations

from apps.billing.budgeting import open_budget
from apps.billing.chain_models import Wallet
from apps.nodes.models import ADDRESS
from apps.teams.models import Team


class WalletTaken(ValueError):
    """The address belongs to another team."""


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
