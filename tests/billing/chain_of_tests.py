"""A real anvil for each test that asks: it makes a block for each transaction, and when the test says so."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import Settings
from eth_utils.address import to_checksum_address

from apps.billing.chain import client as chain
from apps.billing.chain.calls import UNBOUNDED
from apps.billing.chain.watcher import watch_chain
from apps.billing.treasury.fees import WEI_PER_GWEI
from apps.nodes.queen import queen_address
from hive_portal.stack import ports
from hive_portal.stack.chain import _program
from hive_portal.stack.glm import DevelopmentGlm

CONFIRMATIONS, FINALITY = 2, 5


class Anvil:
    """Attributes: url (JSON-RPC) and token (the development GLM), as the settings name them."""

    def __init__(self, port: int, state: Path) -> None:
        self.port, self.url, self.state = port, f"http://127.0.0.1:{port}", state
        self.token = ""
        self.glm = DevelopmentGlm(self.url)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(_program()), "--port", str(self.port), "--chain-id", "31337"]
        self._process = subprocess.Popen(
            [*command, "--silent", "--state", self.state], stdout=subprocess.DEVNULL
        )
        self._wait()

    def stop(self) -> None:
        """It writes its state before it ends; the next start goes on with it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def begin_anew(self) -> None:
        """Another chain with the token at the same address, and the treasury funded with gas."""
        self.stop()
        self.state.unlink(missing_ok=True)
        self.start()
        self.token = self.glm.deploy()
        self.glm.fund_gas(queen_address())

    def mine(self, blocks: int) -> None:
        self.ask("anvil_mine", hex(blocks))

    def reorganise(self, depth: int) -> None:
        """The same height, other hashes; the transactions of these blocks are gone."""
        self.ask("anvil_reorg", depth, [])

    def grow(self, blocks: int) -> None:
        """Mine, and let the watcher look."""
        self.mine(blocks)
        watch_chain()

    def ask_for_gas(self, gwei: Decimal) -> None:
        """So much a unit in the newest block, by which offers are made, and in the next one."""
        fee_wei = hex(int(gwei * WEI_PER_GWEI))
        self.ask("anvil_setNextBlockBaseFeePerGas", fee_wei)
        self.mine(1)
        self.ask("anvil_setNextBlockBaseFeePerGas", fee_wei)

    def batches(self, settings: Settings) -> str:
        """Have the contract that pays many at once, with the treasury's allowance. Its address."""
        contract = settings.HIVE_MULTI_TRANSFER = self.glm.deploy_multi_transfer()
        self.ask("anvil_impersonateAccount", queen_address())
        owner, spender = to_checksum_address(queen_address()), to_checksum_address(contract)
        self.glm.token.functions.approve(spender, UNBOUNDED).transact({"from": owner})
        return contract

    def glm_of(self, address: str) -> Decimal:
        return chain.chain().balance_glm(address)

    def ask(self, method: str, *parameters: object) -> object:
        return self.glm.ask(method, *parameters)

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while not self.glm.w3.is_connected():
            assert time.monotonic() < deadline, "anvil does not answer"
            time.sleep(0.02)


@pytest.fixture
def anvil(settings: Settings, tmp_path: Path) -> Iterator[Anvil]:
    """Running, with the token deployed, the treasury funded with gas, and the settings pointing at it."""
    running = Anvil(ports.find(), tmp_path / "anvil.json")
    try:
        running.begin_anew()
        settings.HIVE_RPC_URL, settings.HIVE_GLM_TOKEN = running.url, running.token
        settings.HIVE_CHAIN_START_BLOCK = 0
        settings.HIVE_CONFIRMATIONS, settings.HIVE_FINALITY = CONFIRMATIONS, FINALITY
        yield running
    finally:
        running.stop()
