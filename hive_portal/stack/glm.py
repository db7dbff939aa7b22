"""Play money: GLM and gas on the development chain, for the demo and the tests. Never for a real chain.

The first accounts of anvil's own mnemonic, for which anvil itself signs, deploy: one the token, which it
mints, the other the contract that pays many at once.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3
from web3.types import Nonce, RPCEndpoint
from web3.utils import get_create_address

from hive_portal.stack.errors import StackError

BUILT = Path(__file__).resolve().parents[2] / "contracts" / "build"
SUPPLY_GLM = 1_000_000_000
WEI = 10**18
PLENTY_OF_GAS_WEI = 100 * WEI
NONCES_LOOKED_AT = 20


class DevelopmentGlm:
    """The development token on the chain behind `rpc_url`.

    Raises:
        StackError: the contract was never compiled, or the chain refuses something.
    """

    def __init__(self, rpc_url: str) -> None:
        self.w3 = Web3(HTTPProvider(rpc_url))
        self._contract = _built("DevelopmentGLM")

    def deploy(self) -> str:
        """Its address in lower case; deployed unless this chain has it already.

        An address follows from the deployer and its nonce, so a token that is there is found again.
        """
        found = self._deployed(self._deployer)
        return (found or self._deploy(self._contract, SUPPLY_GLM * WEI, by=self._deployer)).lower()

    def deploy_multi_transfer(self) -> str:
        """The address of the contract that pays many at once, in lower case; deployed unless it is there."""
        by, token = list(self.w3.eth.accounts)[1], to_checksum_address(self.deploy())
        return (self._deployed(by) or self._deploy(_built("MultiTransfer"), token, by=by)).lower()

    def fund_gas(self, address: str) -> None:
        """Give the address plenty of the chain's own coin."""
        self.ask("anvil_setBalance", address, hex(PLENTY_OF_GAS_WEI))

    def deposit(self, wallet: LocalAccount, to: str, amount_glm: Decimal) -> str:
        """Mint GLM for the wallet and let it send them on. Returns the transaction's hash."""
        amount_wei = int(amount_glm * WEI)
        self.fund_gas(wallet.address)
        self._mined(self.token.functions.mint(wallet.address, amount_wei).transact({"from": self._deployer}))
        unsigned = self.token.functions.transfer(to_checksum_address(to), amount_wei).build_transaction(
            {"from": wallet.address, "nonce": self.w3.eth.get_transaction_count(wallet.address)}
        )
        sent = self.w3.eth.send_raw_transaction(wallet.sign_transaction(dict(unsigned)).raw_transaction)
        self._mined(sent)
        return "0x" + bytes(sent).hex()

    def ask(self, method: str, *parameters: object) -> Any:
        """One of anvil's own methods. Raises StackError with its words."""
        answer: Any = self.w3.provider.make_request(RPCEndpoint(method), list(parameters))
        if answer.get("error"):
            raise StackError(f"development chain: {method}: {answer['error']['message']}")
        return answer.get("result")

    @property
    def token(self) -> Any:
        return self.w3.eth.contract(address=to_checksum_address(self.deploy()), abi=self._contract["abi"])

    @property
    def _deployer(self) -> Any:
        return self.w3.eth.accounts[0]

    def _deployed(self, by: Any) -> str | None:
        """The first contract that this account made: nobody else uses it."""
        used = min(self.w3.eth.get_transaction_count(by), NONCES_LOOKED_AT)
        candidates = (get_create_address(by, Nonce(nonce)) for nonce in range(used))
        return next((address for address in candidates if self.w3.eth.get_code(address)), None)

    def _deploy(self, contract: dict[str, Any], argument: Any, *, by: Any) -> str:
        factory = self.w3.eth.contract(abi=contract["abi"], bytecode=contract["bytecode"])
        sent = factory.constructor(argument).transact({"from": by})
        return str(self._mined(sent)["contractAddress"])

    def _mined(self, tx_hash: Any) -> Any:
        receipt = self.w3.eth.wait_for_transaction_receipt(tx_hash, timeout=30, poll_latency=0.05)
        if receipt["status"] != 1:
            raise StackError(f"development chain: transaction 0x{bytes(tx_hash).hex()} failed")
        return receipt


def _built(name: str) -> dict[str, Any]:
    """ABI and bytecode, as `make setup` compiled them."""
    path = BUILT / f"{name}.json"
    if not path.exists():
        raise StackError(f"the development chain lacks {name}: run `make setup`, or set HIVE_RPC_URL")
    return dict(json.loads(path.read_text()))
