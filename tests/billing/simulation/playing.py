"""Playing a story: in a database and on a chain that are as they were before the last one."""

from __future__ import annotations

from dataclasses import dataclass

import time_machine
from django.conf import LazySettings

from apps.billing.ledger.posting import check_ledger, ledger_sum
from tests.billing.chain_of_tests import FINALITY, Anvil
from tests.billing.simulation.books import books
from tests.billing.simulation.databases import copy_of
from tests.billing.simulation.purses import Purse
from tests.billing.simulation.scene import START
from tests.billing.simulation.story import TEAMS, Story
from tests.billing.simulation.truth import differences
from tests.billing.simulation.world import World


@dataclass(frozen=True)
class Month:
    """What a story came to; `refused` are the words of the house for what could not be."""

    books: str
    differences: list[str]
    refused: list[str]


class Stage:
    """A chain on which everybody's purse is full, and to which each story returns."""

    def __init__(self, anvil: Anvil, settings: LazySettings) -> None:
        self.anvil, self.settings = anvil, settings
        settings.HIVE_MULTI_TRANSFER = anvil.glm.deploy_multi_transfer()
        for number in range(TEAMS + 1):
            Purse(anvil, number).fill()
        self._mine_without_base_fee()
        self._state = anvil.ask("evm_snapshot")

    def clear(self) -> None:
        """Everything on the chain since the purses were filled has never been."""
        self.anvil.ask("evm_revert", self._state)
        self._state = self.anvil.ask("evm_snapshot")
        self._mine_without_base_fee()

    def _mine_without_base_fee(self) -> None:
        """It would fall from block to block, and gas cost more for whom the faster worker took first."""
        self.anvil.ask("anvil_setNextBlockBaseFeePerGas", "0x0")
        self.anvil.mine(2 * FINALITY)

    def play(self, story: Story) -> Month:
        """Raises AssertionError as soon as the ledger does not add up at the end of a day."""
        self.clear()
        self.settings.HIVE_RPC_URL = self.anvil.url
        with copy_of(), time_machine.travel(START, tick=False) as clock:
            world = World(self.anvil, clock, self.settings)
            for number, day in enumerate(story, start=1):
                world.live(day)
                assert (check_ledger(), ledger_sum()) == ([], 0), f"day {number}"
            world.come_to_rest()
            return Month(books(), differences(self.anvil, world.contracts), world.refused)
