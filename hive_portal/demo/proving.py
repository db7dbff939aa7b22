"""The demo team proves its wallet as everybody does: by signing what the Hive wrote."""

from __future__ import annotations

from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from hive_client import Hive


def prove_wallet(hive: Hive, wallet: LocalAccount) -> None:
    asked = hive.wallets.message(str(wallet.address))
    signed = wallet.sign_message(encode_defunct(text=asked.message))
    hive.wallets.prove(asked.nonce, "0x" + bytes(signed.signature).hex())
