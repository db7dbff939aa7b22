"""People's wallets on the development chain, with GLM and gas enough for a month."""

from __future__ import annotations

from decimal import Decimal

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from eth_utils.address import to_checksum_address

from apps.money import to_wei
from hive_portal.stack.errors import StackError
from tests.billing.chain_of_tests import Anvil
from tests.cast import id_of

PLENTY_GLM = Decimal(1_000_000)
GAS, FEE_WEI = 120_000, 20 * 10**9


def key_of_purse(number: int) -> LocalAccount:
    return Account.from_key((0x77 << 64 | number).to_bytes(32, "big"))


class Purse:
    """A key, and what it has sent: a transaction that a reorganisation dropped can be sent once more."""

    def __init__(self, anvil: Anvil, number: int) -> None:
        self.anvil, self.key = anvil, key_of_purse(number)
        self.address = id_of(self.key)
        self.sent: list[tuple[str, str]] = []

    def fill(self) -> None:
        token = self.anvil.glm.w3.eth.contract(
            address=to_checksum_address(self.anvil.token), abi=self.anvil.glm.token.abi
        )
        self.anvil.glm.fund_gas(self.address)
        token.functions.mint(to_checksum_address(self.address), to_wei(PLENTY_GLM)).transact(
            {"from": self.anvil.glm.w3.eth.accounts[0]}
        )

    def pay(self, to: str, amount_glm: Decimal) -> None:
        signed = self.key.sign_transaction(
            {
                "type": 2,
                "chainId": 31337,
                "nonce": int(str(self.anvil.ask("eth_getTransactionCount", self.address, "pending")), 16),
                "to": to_checksum_address(self.anvil.token),
                "value": 0,
                "data": HexStr(f"0xa9059cbb{to[2:].lower():0>64}{to_wei(amount_glm):064x}"),
                "gas": GAS,
                "maxFeePerGas": FEE_WEI,
                "maxPriorityFeePerGas": 1,
            }
        )
        raw, tx_hash = ("0x" + bytes(each).hex() for each in (signed.raw_transaction, signed.hash))
        self.anvil.ask("eth_sendRawTransaction", raw)
        self.sent.append((raw, tx_hash))

    def send_again(self) -> None:
        """What no block has any more; a transaction whose nonce another took meanwhile is lost."""
        for raw, tx_hash in self.sent:
            if self.anvil.ask("eth_getTransactionReceipt", tx_hash) is None:
                try:
                    self.anvil.ask("eth_sendRawTransaction", raw)
                except StackError as refusal:
                    assert "nonce" in str(refusal).lower(), refusal
