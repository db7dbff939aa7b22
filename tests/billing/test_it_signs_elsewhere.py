"""The treasury's key in another program: what it returns is taken apart; nothing is ever lost."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account

from apps.billing.chain.reconciliation import reconcile
from apps.billing.chain.watcher import watch_chain
from apps.billing.invoicing.taxing import issuer
from apps.billing.ledger.posting import balance, check_ledger, payable_account
from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import Payment, PaymentState
from apps.billing.treasury.paying import reserve
from apps.billing.treasury.settlement import pay_providers
from apps.billing.treasury.signers import (
    KeystoreSigner,
    RemoteSigner,
    SignerRefused,
    SignerUnreachable,
    checked,
    treasury_address,
    treasury_signer,
)
from apps.billing.wallets.proving import register_wallet
from apps.nodes.queen import queen_address
from hive_portal.stack import ports
from tests.billing.chain_of_tests import FINALITY
from tests.billing.clef_of_tests import LIES, STRANGER
from tests.billing.treasury_of_tests import look_again, owe

pytestmark = pytest.mark.real

KEY = "0x" + "5a" * 32
TREASURY = Account.from_key(KEY).address.lower()
WALLET = Account.from_key("0x" + "77" * 32)
OWED = Decimal("0.000226")
UNSIGNED = {
    "type": 2,
    "chainId": 31337,
    "nonce": 7,
    "to": "0x" + "44" * 20,
    "value": 0,
    "data": "0xa9059cbb" + "00" * 12 + "22" * 20 + f"{10**18:064x}",
    "gas": 90_000,
    "maxFeePerGas": 3_000_000_000,
    "maxPriorityFeePerGas": 1_000_000_000,
}


class Clef:
    """The signer's process; `url(way)` is where it behaves so."""

    def __init__(self) -> None:
        self.port = ports.find()
        self.start()

    def start(self) -> None:
        program = [sys.executable, "-m", "tests.billing.clef_of_tests", str(self.port), KEY]
        self._process = subprocess.Popen(program)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, "the signer does not start"
                time.sleep(0.02)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def url(self, way: str = "honest") -> str:
        return f"http://operator:s3cret@127.0.0.1:{self.port}/{way}"


@pytest.fixture(scope="module")
def clef() -> Iterator[Clef]:
    running = Clef()
    yield running
    running.stop()


def signer(clef: Clef, way: str = "honest", *, timeout_s: float = 20) -> RemoteSigner:
    return RemoteSigner(clef.url(way), address=TREASURY, timeout_s=timeout_s)


def test_it_signs_what_was_asked(clef: Clef) -> None:
    signed = signer(clef).sign(UNSIGNED)
    assert Account.recover_transaction(signed.raw).lower() == TREASURY
    assert checked(signed.raw, UNSIGNED, address=TREASURY) == signed
    assert signer(clef).accounts() == [TREASURY]


@pytest.mark.parametrize("lie", LIES)
def test_it_takes_nothing_else_than_what_was_asked(clef: Clef, lie: str) -> None:
    with pytest.raises(SignerRefused, match="signed something else"):
        signer(clef, lie).sign(UNSIGNED)


def test_it_takes_nobody_elses_signature(clef: Clef) -> None:
    with pytest.raises(SignerRefused, match=f"signed by {STRANGER.address.lower()} instead of {TREASURY}"):
        signer(clef, "another-key").sign(UNSIGNED)


@pytest.mark.parametrize(
    ("way", "kind", "told"),
    [
        ("refuses", SignerRefused, "Request denied"),
        ("old-kind", SignerRefused, "can't be read as a transaction"),
        ("empty", SignerUnreachable, "without a signed transaction"),
        ("nonsense", SignerUnreachable, "no answer within 20 s that can be read"),
        ("fails", SignerUnreachable, "no answer within 20 s that can be read"),
    ],
)
def test_it_says_what_the_signer_does(clef: Clef, way: str, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told) as caught:
        signer(clef, way).sign(UNSIGNED)
    assert "the signer at 127.0.0.1" in str(caught.value) or way == "old-kind"
    assert "s3cret" not in str(caught.value)


def test_it_waits_for_a_silent_signer_only_so_long(clef: Clef) -> None:
    with pytest.raises(SignerUnreachable, match=r"no answer within 0\.2 s"):
        signer(clef, "silent", timeout_s=0.2).sign(UNSIGNED)


@pytest.mark.parametrize("raw", ["", "0x", "0x02", "0xzz", "hello", "0x02" + "ff" * 40])
def test_it_reads_no_nonsense(raw: str) -> None:
    with pytest.raises(SignerRefused, match="can't be read"):
        checked(raw, UNSIGNED, address=TREASURY)


def test_it_does_not_sign_for_another_treasury_with_the_keystore() -> None:
    with pytest.raises(SignerRefused, match="is not that of"):
        KeystoreSigner(TREASURY).sign(UNSIGNED)


# -- on the chain -----------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(settings: Any, anvil: Any, clef: Clef) -> Any:
    """The treasury is another wallet than the Queen's key; its key is known to the signer alone."""
    settings.HIVE_TREASURY, settings.HIVE_SIGNER_URL = TREASURY, clef.url()
    anvil.glm.fund_gas(TREASURY)
    return settings


@pytest.fixture
def budget(team: Any, anvil: Any, elsewhere: Any) -> Any:
    wallet = register_wallet(team, WALLET.address)
    anvil.glm.deposit(WALLET, TREASURY, Decimal(10))
    anvil.grow(FINALITY)
    return wallet.budget


@pytest.fixture
def owed(meter: Any, node: Any) -> Decimal:
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    return OWED


def pay() -> list[Payment]:
    return pay_providers(minimum_glm=Decimal(0))


@pytest.mark.django_db
@pytest.mark.needs("chain")
def test_it_pays_from_the_treasury_and_signs_papers_as_the_queen(
    elsewhere: Any, anvil: Any, owed: Decimal, node: Any, budget: Any
) -> None:
    assert treasury_address() == TREASURY != queen_address()
    assert isinstance(treasury_signer(), RemoteSigner)
    assert len(pay()) == 1
    anvil.grow(FINALITY)
    assert Payment.objects.get().state == PaymentState.FINAL
    assert (anvil.glm_of(node.id), anvil.glm_of(TREASURY)) == (owed, 10 - owed)
    assert reconcile().agrees
    assert issuer()["key"] == queen_address()


@pytest.mark.django_db
@pytest.mark.needs("chain")
@pytest.mark.parametrize("way", ["to-another", "a-wei-more", "another-key", "refuses", "nonsense", "fails"])
def test_it_loses_nothing_to_a_signer_that_lies_or_fails(
    elsewhere: Any, clef: Clef, anvil: Any, owed: Decimal, node: Any, way: str, caplog: Any
) -> None:
    elsewhere.HIVE_SIGNER_URL = clef.url(way)
    assert pay() == []
    assert not Payment.objects.exists()
    assert balance(payable_account(node)) == owed
    assert check_ledger() == []
    assert "are not paid to" in caplog.text
    assert "s3cret" not in caplog.text
    elsewhere.HIVE_SIGNER_URL = clef.url()
    assert len(pay()) == 1
    anvil.grow(FINALITY)
    assert anvil.glm_of(node.id) == owed


@pytest.mark.django_db
@pytest.mark.needs("chain")
def test_it_pays_when_a_dead_signer_is_back(
    elsewhere: Any, clef: Clef, anvil: Any, owed: Decimal, node: Any
) -> None:
    clef.stop()
    try:
        assert pay() == []
    finally:
        clef.start()
    assert balance(payable_account(node)) == owed
    assert len(pay()) == 1
    anvil.grow(FINALITY)
    assert anvil.glm_of(node.id) == owed


@pytest.fixture
def asked(monkeypatch: Any) -> list[Any]:
    """What the signer was asked to sign."""
    sign, found = RemoteSigner.sign, []

    def note(signer: RemoteSigner, unsigned: Any) -> Any:
        found.append(unsigned)
        return sign(signer, unsigned)

    monkeypatch.setattr(RemoteSigner, "sign", note)
    return found


@pytest.mark.django_db
@pytest.mark.needs("chain")
def test_a_silent_signer_is_waited_for_once_at_a_time(
    elsewhere: Any, clef: Clef, anvil: Any, owed: Decimal, hold: Any, make_node: Any, asked: list[Any]
) -> None:
    """Neither payouts nor what operators have approved, nor what should be replaced, wait for it in turn."""
    sent = pay()
    others = [make_node() for _ in range(2)]
    for each in others:
        owe(hold, each, "0.01")
    elsewhere.HIVE_SIGNER_URL, elsewhere.HIVE_SIGNER_TIMEOUT_S = clef.url("silent"), 0.2
    asked.clear()
    assert pay() == []
    assert len(asked) == 1
    for each in others:
        account = payable_account(each)
        amount = balance(account)
        reserve(chain_id=31337, source=account, recipient=each.id, amount_glm=amount, node_id=each.id)
    asked.clear()
    watch_chain()
    assert len(asked) == 1
    elsewhere.HIVE_SIGNER_URL = clef.url()
    for _ in range(2):
        anvil.grow(FINALITY)
    assert set(Payment.objects.values_list("state", flat=True)) == {PaymentState.FINAL}
    assert len(sent) + len(others) == Payment.objects.count()


@pytest.mark.django_db
@pytest.mark.needs("chain")
def test_what_was_signed_is_sent_without_the_signer(
    elsewhere: Any, clef: Clef, anvil: Any, owed: Decimal, hold: Any, make_node: Any, asked: list[Any]
) -> None:
    """Nodes have dropped them, and by now they should be replaced, which only the signer could do."""
    owe(hold, another := make_node(), "0.01")
    anvil.ask("evm_setAutomine", False)
    pay()
    anvil.ask("anvil_dropAllTransactions")
    elsewhere.HIVE_REPLACE_AFTER_S, elsewhere.HIVE_SIGNER_TIMEOUT_S = 0, 0.2
    elsewhere.HIVE_SIGNER_URL = clef.url("silent")
    asked.clear()
    look_again()
    assert len(asked) == 1
    anvil.ask("evm_setAutomine", True)
    anvil.mine(1)
    anvil.grow(FINALITY)
    assert anvil.glm_of(another.id) == Decimal("0.01")
    assert set(Payment.objects.values_list("state", flat=True)) == {PaymentState.FINAL}
