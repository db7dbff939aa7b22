"""The development chain: anvil, with a GLM of our own on it.

Everyone knows its keys, so it listens on loopback only.
"""

import json
import platform
import shutil
from pathlib import Path

from hive_portal.stack import ports
from hive_portal.stack.errors import StackError
from hive_portal.stack.glm import DevelopmentGlm
from hive_portal.stack.home import HiveHome
from hive_portal.stack.process import Child

ROOT = Path(__file__).resolve().parents[2]
CHAIN_ID = 31337


class Chain:
    """One anvil: a block each second, its state kept in home; a second start continues the same chain.

    Its state grows by 2 KB per block, 170 MB in a day: fine for a demo, not for a chain that is left running.

    Attributes:
        url: JSON-RPC.
        token: address of the development GLM, lower case; empty before `ready`.
        multi_transfer: of the contract that pays many at once; likewise.
    """

    def __init__(self, home: HiveHome) -> None:
        self._port = port = ports.find(preferred=8545)
        self.url = f"http://{ports.LOOPBACK}:{port}"
        self.token = self.multi_transfer = ""
        self._folder = home.folder("chain")
        self._state = self._folder / "state.json"
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
        """Whether it answers; the contracts are deployed on a chain that has none."""
        if not self.multi_transfer and ports.answers(self._port):
            development = DevelopmentGlm(self.url)
            self.token, self.multi_transfer = development.deploy(), development.deploy_multi_transfer()
        return bool(self.multi_transfer)

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
    if not found:
        raise StackError("the development chain lacks anvil: run `make setup`, or set HIVE_RPC_URL")
    return Path(found)
