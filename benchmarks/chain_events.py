"""10,000 Transfer events on a real chain: claimed, credited, final and held against the ledger.

Beside it, in the same run, the raw scan of the same blocks: asking the node for the logs and decoding them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from benchmarks.figure import Figure
from benchmarks.queen import queen

EVENTS, TEAMS, STRANGERS = 10_000, 100, 10
A_BLOCK = 400
DEPTHS = (2 * EVENTS // A_BLOCK, 4 * EVENTS // A_BLOCK)
"""Confirmed and final, in blocks: so deep that every event is in each state once."""
AMOUNT_GLM = Decimal("0.25")


def measure() -> Iterator[Figure]:
    with queen(chain=True) as stack:
        from hive_portal.stack.glm import DevelopmentGlm

        glm = DevelopmentGlm(stack.env["HIVE_RPC_URL"])
        glm.ask("evm_setIntervalMining", 0)
        _send_all(glm, senders=_wallets())
        gc.collect()
        gc.freeze()  # as the workers do when they have loaded everything
        scans = [_seconds(_scan) for _ in range(3)]
        work = dict(_reconciled(glm))
        scans += [_seconds(_scan) for _ in range(3)]
    scan = sorted(scans)[len(scans) // 2]
    parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in work.items())
    yield Figure(
        name="chain events",
        value=sum(work.values()) - scan,
        unit="s",
        peer="the limit",
        peer_value=1,
        target=1,
        at_least=False,
        note=(
            f"{EVENTS} deposits of {TEAMS} teams and {STRANGERS} strangers, reconciled: {parts} s, "
            f"less the raw scan of {scan:.2f} s that is in the first"
        ),
    )


def _reconciled(glm: Any) -> Iterator[tuple[str, float]]:
    """What each step took, in s; the chain grows in between."""
    from django.conf import settings

    from apps.billing.chain.models import ChainTransfer
    from apps.billing.chain.reconciliation import Reconciliation, reconcile
    from apps.billing.chain.watcher import watch_chain

    settings.HIVE_CONFIRMATIONS, settings.HIVE_FINALITY = DEPTHS
    yield "claimed", _seconds(watch_chain)
    assert ChainTransfer.objects.filter(state="seen").count() == EVENTS
    glm.ask("anvil_mine", hex(DEPTHS[0]))
    yield "credited", _seconds(watch_chain)
    assert ChainTransfer.objects.filter(state="confirmed").count() == EVENTS
    glm.ask("anvil_mine", hex(DEPTHS[1] - DEPTHS[0]))
    yield "final", _seconds(watch_chain)
    found: list[Reconciliation] = []
    yield "held against the ledger", _seconds(lambda: found.append(reconcile()))
    assert found[0].agrees, found
    assert found[0].matched == EVENTS == ChainTransfer.objects.filter(state="final").count()


def _scan() -> None:
    from apps.billing.chain.client import chain
    from apps.billing.treasury.signers import treasury_address

    assert len(chain().transfers_of(treasury_address(), first=0, last=chain().height())) == EVENTS


def _wallets() -> list[str]:
    """Addresses that send: of teams, and of nobody."""
    from apps.billing.wallets.proving import register_wallet
    from apps.teams.models import Team

    addresses = [f"0x{number:040x}" for number in range(0x1000, 0x1000 + TEAMS + STRANGERS)]
    for number, address in enumerate(addresses[:TEAMS]):
        register_wallet(Team.objects.create(slug=f"bench-{number}", name="Bench"), address)
    return addresses


def _send_all(glm: Any, *, senders: list[str]) -> None:
    """From accounts that the development chain signs for itself, so that it takes seconds."""
    from apps.billing.chain.calls import transfer_call
    from apps.billing.treasury.signers import treasury_address

    token = glm.deploy()
    for sender in senders:
        glm.fund_gas(sender)
        glm.ask("anvil_impersonateAccount", sender)
        _sent(
            glm,
            glm.w3.eth.accounts[0],
            transfer_call(token, recipient=sender, amount_glm=AMOUNT_GLM * EVENTS),
        )
    glm.ask("anvil_mine", "0x1")
    call = transfer_call(token, recipient=treasury_address(), amount_glm=AMOUNT_GLM)
    for number in range(EVENTS):
        _sent(glm, senders[number % len(senders)], call)
        if number % A_BLOCK == A_BLOCK - 1:
            glm.ask("anvil_mine", "0x1")
    glm.ask("anvil_mine", "0x1")


def _sent(glm: Any, sender: str, call: Any) -> None:
    glm.ask("eth_sendTransaction", {"from": sender, "to": call.to, "data": call.data, "gas": hex(70_000)})


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
