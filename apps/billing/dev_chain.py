"""Play money: GLM and gas on the development chain, for the demo and the tests. Never for a real chain.

The first account of anvil's own mnemonic, for which anvil itself signs, deploys the token and mints it.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

from apps.money import to_wei

CONTRACT = Path(__file__).resolve().parents[2] / "contracts" / "build" / "DevelopmentGLM.json"
SUPPLY_GLM = Decimal(1_000_000_000)
PLENTY_OF_GAS_WEI = 100 * 10**18
NONCES_LOOKED_AT = 20


class ContractNotBuilt(Exception):
    """The development token was never compiled."""


def deploy_token(rpc_url: str) -> str:
    """Address, in lower case, of the development GLM; deployed unless this chain has it already.

    An address follows from the deployer and its nonce, so a token that is there is found again.
    """
    contract, w3 = _contract(), _w3(rpc_url)
    found = _deployed(w3)
    if found is None:
        factory = w3.eth.contract(abi=contract["abi"], bytecode=contract["bytecode"])
        receipt = _mined(w3, factory.constructor(to_wei(SUPPLY_GLM)).transact({"from": _deployer(w3)}))
        found = str(receipt["contractAddress"])
    return found.lower()


def fund_gas(address: str, *, rpc_url: str = "") -> None:
    """Give the address plenty of the chain's own coin."""
    _ask(_w3(rpc_url), "anvil_setBalance", address, hex(PLENTY_OF_GAS_WEI))


def deposit(from_key: LocalAccount | str, to: str, amount_glm: Decimal, *, rpc_url: str = "") -> str:
    """Mint GLM for the wallet behind the key and let it send them on. Returns the transaction's hash."""
    w3 = _w3(rpc_url)
    wallet: LocalAccount = Account.from_key(from_key) if isinstance(from_key, str) else from_key
    token = w3.eth.contract(address=_address(settings.HIVE_GLM_TOKEN), abi=_contract()["abi"])
    fund_gas(wallet.address, rpc_url=rpc_url)
    _mined(w3, token.functions.mint(wallet.address, to_wei(amount_glm)).transact({"from": _deployer(w3)}))
    nonce = w3.eth.get_transaction_count(wallet.address)
    transfer = token.functions.transfer(_address(to), to_wei(amount_glm))
    unsigned: dict[str, Any] = {**transfer.build_transaction({"from": wallet.address, "nonce": nonce})}
    sent = w3.eth.send_raw_transaction(wallet.sign_transaction(unsigned).raw_transaction)
    _mined(w3, sent)
    return "0x" + bytes(sent).hex()


def _deployed(w3: Web3) -> str | None:
    """The first contract that the deployer made: nobody else uses it."""
    deployer = _deployer(w3)
    used = min(w3.eth.get_transaction_count(deployer), NONCES_LOOKED_AT)
    candidates = (_created(deployer, nonce) for nonce in range(used))
    return next((address for address in candidates if w3.eth.get_code(address)), None)


def _created(deployer: str, nonce: int) -> ChecksumAddress:
    """Where a contract lands: keccak256(rlp([deployer, nonce])), for nonces below 128."""
    item = bytes([nonce]) if nonce else b"\x80"
    encoded = b"\xd6\x94" + bytes.fromhex(deployer.removeprefix("0x")) + item
    return to_checksum_address("0x" + bytes(Web3.keccak(encoded))[12:].hex())


def _deployer(w3: Web3) -> ChecksumAddress:
    return w3.eth.accounts[0]


def _mined(w3: Web3, tx_hash: Any) -> Any:
    receipt = w3.eth.wait_for_transaction_receipt(tx_hash, timeout=30, poll_latency=0.05)
    if receipt["status"] != 1:
        raise RuntimeError(f"development chain: transaction 0x{bytes(tx_hash).hex()} failed")
    return receipt


def _ask(w3: Web3, method: str, *parameters: Any) -> Any:
    answer: Any = w3.provider.make_request(RPCEndpoint(method), list(parameters))
    if answer.get("error"):
        raise RuntimeError(f"development chain: {method}: {answer['error']['message']}")
    return answer.get("result")


def _contract() -> dict[str, Any]:
    if not CONTRACT.exists():
        raise ContractNotBuilt(f"{CONTRACT} is missing: run `make setup`")
    return dict(json.loads(CONTRACT.read_text()))


def _w3(rpc_url: str) -> Web3:
    return Web3(HTTPProvider(rpc_url or settings.HIVE_RPC_URL))


def _address(text: str) -> ChecksumAddress:
    return to_checksum_address(text)
