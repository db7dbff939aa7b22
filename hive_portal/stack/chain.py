"""The development chain: anvil, with a GLM of our own on it.

Everyone knows its keys, so it listens on loopback only.
"""

import json
import platform
import shutil
from pathlib import Path
from typing import Any

import httpx

from hive_portal.stack import ports
from hive_portal.stack.errors import StackError
from hive_portal.stack.home import HiveHome
from hive_portal.stack.process import Child

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "contracts" / "build" / "DevelopmentGLM.json"
CHAIN_ID = 31337
SUPPLY_GLM = 1_000_000_000
DEPLOYER = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
"""First account of anvil's own mnemonic; anvil signs for it."""


class Chain:
    """One anvil: a block each second, its state kept in home; a second start continues the same chain.

    Its state grows by 2 KB per block, 170 MB in a day: fine for a demo, not for a chain that is left running.

    Attributes:
        url: JSON-RPC.
        token: address of the development GLM, lower case; empty before `ready`.
    """

    def __init__(self, home: HiveHome) -> None:
        port = ports.find(preferred=8545)
        self.url = f"http://{ports.LOOPBACK}:{port}"
        self.token = ""
        self._folder = home.folder("chain")
        self._state = self._folder / "state.json"
        self._token_file = self._folder / "token"
        self.child = Child(
            home,
            "anvil",
            [
                *(_program(), "--host", ports.LOOPBACK, "--port", str(port), "--chain-id", str(CHAIN_ID)),
                # Dumped while it runs too: a killed anvil loses seconds, to its watchers a reorg.
                *("--block-time", "1", "--state", self._state, "--state-interval", "10"),
                *("--cache-path", self._folder / "cache", "--quiet"),
            ],
            before_start=self._repair,
        )

    def start(self) -> None:
        self.child.start()

    def ready(self) -> bool:
        """Whether it answers; the token is deployed on a chain that has none."""
        try:
            self._call("eth_chainId")
        except httpx.TransportError:
            return False
        if not self.token:
            self.token = self._find_token() or self._deploy_token()
        return True

    def _find_token(self) -> str:
        """The token of an earlier start; empty when that chain is gone."""
        token = self._token_file.read_text() if self._token_file.exists() else ""
        return token if token and self._call("eth_getCode", token, "latest") != "0x" else ""

    def _deploy_token(self) -> str:
        contract = json.loads(CONTRACT.read_text())
        supply = (SUPPLY_GLM * 10**18).to_bytes(32, "big").hex()  # the constructor's argument, ABI-encoded
        transaction = self._call(
            "eth_sendTransaction",
            {"from": DEPLOYER, "data": contract["bytecode"] + supply, "gas": hex(5_000_000)},
        )
        self._call("evm_mine")
        receipt = self._call("eth_getTransactionReceipt", transaction)
        token = str(receipt["contractAddress"]).lower()
        self._token_file.write_text(token)
        return token

    def _call(self, method: str, *parameters: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = httpx.post(self.url, json=body, timeout=5).json()
        if "error" in answer:
            raise StackError(f"development chain: {method}: {answer['error']['message']}")
        return answer["result"]

    def _repair(self) -> None:
        """Keep a copy of the last state that can be read: anvil killed while it writes leaves half a file."""
        copy = self._folder / "state.previous.json"
        try:
            json.loads(self._state.read_bytes())
        except FileNotFoundError:
            return
        except ValueError:
            self._state.unlink()
            if copy.exists():
                shutil.copyfile(copy, self._state)
        else:
            shutil.copyfile(self._state, copy)


def _program() -> Path:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = ROOT / "node_modules" / "@foundry-rs" / f"anvil-{platform.system().lower()}-{machine}"
    found = shutil.which(package / "bin" / "anvil") or shutil.which("anvil")
    if not (found and CONTRACT.exists()):
        missing = "its token" if found else "anvil"
        raise StackError(f"the development chain lacks {missing}: run `make setup`, or set HIVE_RPC_URL")
    return Path(found)
