"""Who signs for the treasury: the Queen's own keystore, or a program that keeps the key elsewhere.

The latter speaks clef's JSON-RPC over HTTP (`account_signTransaction`, which answers {raw, tx}):
https://geth.ethereum.org/docs/tools/clef/apis. It is asked for transactions of the treasury and nothing
else; agreements, plans and invoices are signed with the Queen's own key. What comes back is taken apart
before it is stored: it must be the transaction that was asked for, to the last field, signed by the treasury.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.views.decorators.debug import sensitive_variables
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from hexbytes import HexBytes
from requests.exceptions import RequestException
from web3 import HTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from apps.billing.chain.client import ChainRefused, ChainUnreachable
from apps.nodes.queen import queen_address, queen_key

Unsigned = Mapping[str, Any]
"""An EIP-1559 transaction by web3's names: chainId, nonce, to, value, data, gas, maxFeePerGas, ..."""
FEES = ("gas", "maxFeePerGas", "maxPriorityFeePerGas")
AMOUNTS = ("type", "chainId", "nonce", "value", *FEES)


class SignerRefused(ChainRefused):
    """It would not sign, or signed something else. Who pays treats it as a chain that would not."""


class SignerUnreachable(ChainUnreachable):
    """It is silent, too slow, or talks nonsense: ask again later. Nothing was signed that is known of."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The raw transaction and its hash, as lower-case hex with 0x."""

    raw: str
    tx_hash: str


class Signer(Protocol):
    """Signs for `address` (lower case)."""

    address: str

    def sign(self, unsigned: Unsigned) -> Signed:
        """Raises SignerRefused and SignerUnreachable. Nothing is sent."""
        ...


def treasury_address() -> str:
    """The wallet that deposits go to and payments come from, in lower case."""
    return settings.HIVE_TREASURY or queen_address()


def treasury_signer() -> Signer:
    """Who signs for it, as the settings say."""
    if settings.HIVE_SIGNER_URL:
        return RemoteSigner(
            settings.HIVE_SIGNER_URL, address=treasury_address(), timeout_s=settings.HIVE_SIGNER_TIMEOUT_S
        )
    return KeystoreSigner(treasury_address())


class KeystoreSigner:
    """The Queen's own key, where it is the treasury's too."""

    def __init__(self, address: str) -> None:
        self.address = address

    @sensitive_variables()
    def sign(self, unsigned: Unsigned) -> Signed:
        key = queen_key()
        if str(key.address).lower() != self.address:
            raise SignerRefused(
                f"the keystore's key is not that of {self.address}: set HIVE_SIGNER_URL, or no HIVE_TREASURY"
            )
        try:
            signed = key.sign_transaction(dict(unsigned))
        except Exception as error:
            # From nowhere: the frames below hold the key, and pages of errors show what frames hold.
            raise SignerRefused(f"the keystore can't sign this: {type(error).__name__}") from None
        return checked("0x" + bytes(signed.raw_transaction).hex(), unsigned, address=self.address)


class RemoteSigner:
    """A program that answers `account_signTransaction` at a URL, which may hold its password."""

    def __init__(self, url: str, *, address: str, timeout_s: float) -> None:
        self.address, self.timeout_s = address, timeout_s
        self._name = f"the signer at {urlsplit(url).hostname}"
        self._provider = HTTPProvider(
            url, request_kwargs={"timeout": timeout_s}, exception_retry_configuration=None
        )

    def accounts(self) -> list[str]:
        """What it can sign for, in lower case. Raises SignerRefused and SignerUnreachable."""
        told = self._ask("account_list")
        if not isinstance(told, list):
            raise SignerUnreachable(f"{self._name} lists no accounts")
        return [str(address).lower() for address in told]

    def sign(self, unsigned: Unsigned) -> Signed:
        answer = self._ask("account_signTransaction", _on_the_wire(unsigned, sender=self.address))
        if not isinstance(answer, dict) or not isinstance(answer.get("raw"), str):
            raise SignerUnreachable(f"{self._name} answers without a signed transaction")
        return checked(answer["raw"], unsigned, address=self.address)

    def _ask(self, method: str, *parameters: Any) -> Any:
        try:
            answer: Any = self._provider.make_request(RPCEndpoint(method), list(parameters))
        except (RequestException, Web3Exception, OSError, ValueError) as error:
            # The error's own words name the URL, with whatever secret it has.
            told = f"no answer within {self.timeout_s:g} s that can be read ({type(error).__name__})"
            raise SignerUnreachable(f"{self._name}: {told}") from None
        if not isinstance(answer, dict):
            raise SignerUnreachable(f"{self._name} answers nonsense")
        if answer.get("error"):
            raise SignerRefused(f"{self._name}: {_words(answer['error'])}"[:300])
        return answer.get("result")


def checked(raw: str, unsigned: Unsigned, *, address: str) -> Signed:
    """What came back, if it is exactly what was asked for, signed by `address`. Raises SignerRefused."""
    found, by = _opened(raw)
    if wrong := difference(found, unsigned):
        raise SignerRefused(f"the signer signed something else: {wrong}")
    if by != address:
        raise SignerRefused(f"signed by {by} instead of {address}")
    signed = HexBytes(raw)
    return Signed("0x" + bytes(signed).hex(), "0x" + keccak(signed).hex())


def was_signed(raw: str, unsigned: Unsigned, *, address: str) -> bool:
    """Whether this is what `raw` asks for, at whatever fee, and `address` signed it."""
    try:
        found, by = _opened(raw)
    except SignerRefused:
        return False
    return by == address and not difference(found, {**unsigned, **{name: found.get(name) for name in FEES}})


def _opened(raw: str) -> tuple[Mapping[str, Any], str]:
    """What a raw transaction asks for, and whose signature it has. Raises SignerRefused."""
    try:
        signed = HexBytes(raw)
        found = TypedTransaction.from_bytes(signed).as_dict()
        return found, str(Account.recover_transaction(signed)).lower()
    except Exception:
        raise SignerRefused("what the signer returned can't be read as a transaction of EIP-1559") from None


def difference(found: Mapping[str, Any], unsigned: Unsigned) -> str:
    """The first field that is not as asked, in a few words; empty when all are."""
    for name in AMOUNTS:
        if found.get(name) != unsigned[name]:
            return f"{name} is {found.get(name)}, asked was {unsigned[name]}"
    for name in ("to", "data"):
        if bytes(found[name]) != bytes(HexBytes(unsigned[name])):
            return f"{name} is {HexBytes(found[name]).to_0x_hex()[:80]}"
    return "it has an access list" if found.get("accessList") else ""


def _on_the_wire(unsigned: Unsigned, *, sender: str) -> dict[str, str]:
    """As clef takes it: numbers in hex; the sender says which key."""
    amounts = {name: hex(unsigned[name]) for name in AMOUNTS if name != "type"}
    return {
        "from": to_checksum_address(sender),
        "to": to_checksum_address(unsigned["to"]),
        "data": str(unsigned["data"]),
        **amounts,
    }


def _words(error: Any) -> str:
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
