"""Where a story plays: its cast, its clock, and the regular work.

Time stands still but where it is moved, so that the same story has the same instants; heartbeats and
listeners of the hours between are written down, not sent one by one.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import LazySettings
from django.contrib.auth.models import Permission
from django.utils import timezone
from time_machine import Traveller

from agent import protocol
from apps.billing.budgets.capping import cap_of
from apps.billing.budgets.opening import open_budget
from apps.billing.models import BillingDetails
from apps.nodes.models import Listener, Node, NodeSession, NodeState, Offer
from apps.nodes.presence import link_opened
from apps.teams.models import Member, Role, Team, User
from tests.billing.chain_of_tests import Anvil
from tests.billing.simulation.purses import Purse
from tests.billing.simulation.story import BEES, OPERATORS, TEAMS
from tests.billing.simulation.workers import beat
from tests.billing.wallets_of_tests import proven
from tests.cast import id_of, key_of_bee

START = datetime(2024, 3, 1, 6, tzinfo=UTC)
"""Past by the database's own clock too, which lets no period begin in the future."""
PRICE = protocol.Price(
    start_glm=Decimal("0.0123"),
    cpu_second_glm=Decimal("0.000033333333333333"),
    second_glm=Decimal("0.000077777777777777"),
    egress_gib_glm=Decimal("0.1"),
)
LARGE_GLM = Decimal("1.5")
"""Payments above it wait for two operators."""


class Scene:
    """Attributes: now is the right time, skew what the Queen's clock is off it."""

    def __init__(self, anvil: Anvil, clock: Traveller, settings: LazySettings) -> None:
        self.anvil, self.clock, self.settings = anvil, clock, settings
        self.now, self.skew = START, timedelta(0)
        settings.HIVE_APPROVAL_ABOVE_GLM = LARGE_GLM
        self.has_trouble = False
        self._set_clock()
        self._people()
        self._bees()

    # -- the cast -----------------------------------------------------------------------------------------

    def _people(self) -> None:
        self.operators = [
            User.objects.create_user(username=f"operator-{number}", is_staff=True)
            for number in range(OPERATORS)
        ]
        may = Permission.objects.get(codename="approve_payment")
        for each in self.operators:
            each.user_permissions.add(may)
        self.teams, self.purses = [], [Purse(self.anvil, number) for number in range(TEAMS)]
        for number, purse in enumerate(self.purses):
            team = Team.objects.create(slug=f"team-{number}", name=f"Team {number}")
            owner = User.objects.create_user(username=f"owner-{number}", email=f"owner-{number}@example.org")
            Member.objects.create(team=team, user=owner, role=Role.OWNER)
            proven(team, purse.key)
            self.teams.append(team)
        self.stranger = Purse(self.anvil, TEAMS)
        self.caps = [cap_of(open_budget(team), f"all of {team}", name=team.name) for team in self.teams]
        taxes = [{"name": "VAT", "percent": "19"}, {"name": "City", "percent": "0.35"}]
        BillingDetails.objects.update_or_create(team=self.teams[1], defaults={"taxes": taxes})

    def _bees(self) -> None:
        self.listener = Listener.objects.create(started_at=START - timedelta(days=1), last_seen_at=self.now)
        self.owner_of_bees = User.objects.create_user(username="beekeeper")
        self.keys = [key_of_bee(900 + number) for number in range(BEES)]
        self.offers = [self._bee(number) for number in range(BEES)]

    def _bee(self, number: int) -> Offer:
        node = Node.objects.create(
            id=id_of(self.keys[number]),
            owner=self.owner_of_bees,
            name=f"bee {number}",
            state=NodeState.ONLINE,
            deadline_at=self.now + timedelta(days=90),
            approved_at=self.now,
            last_seen_at=self.now,
            runtimes=["process"],
            cpu_threads=Decimal(64),
            mem_gib=Decimal(64),
        )
        link_opened(node_id=node.pk, channel=f"link {number}")
        return Offer.objects.create(
            id=uuid.uuid5(uuid.NAMESPACE_OID, f"offer {number}"),
            node=node,
            runtime="process",
            cpu_threads=node.cpu_threads,
            mem_gib=node.mem_gib,
            start_glm=PRICE.start_glm,
            cpu_second_glm=PRICE.cpu_second_glm,
            second_glm=PRICE.second_glm,
            egress_gib_glm=PRICE.egress_gib_glm,
            issued_at=self.now,
            deadline_at=self.now + timedelta(days=90),
            signature="0x",
        )

    # -- time ---------------------------------------------------------------------------------------------

    def work_regularly(self) -> None:
        self._note_heartbeats()
        beat()

    def pass_time(self, span: timedelta) -> None:
        self.be_at(self.now + span)

    def be_at(self, instant: datetime) -> None:
        self.now = instant
        self._set_clock()
        self._note_heartbeats()

    def _next_morning(self) -> datetime:
        return (self.now + timedelta(days=1)).replace(hour=6, minute=0, second=0, microsecond=0)

    def _set_clock(self) -> None:
        self.clock.move_to(self.now + self.skew, tick=False)

    def _note_heartbeats(self) -> None:
        """Of those whose link is open, and of the process that listens."""
        now = timezone.now()
        NodeSession.objects.filter(closed_at=None).update(last_seen_at=now)
        Listener.objects.filter(pk=self.listener.pk).update(last_seen_at=now)

    # -- the chain's troubles -------------------------------------------------------------------------------

    def _mend(self) -> None:
        """The chain answers again and makes blocks again, after the Queen has looked a second time."""
        self.pass_time(timedelta(seconds=2 * self.settings.HIVE_REPLACE_AFTER_S))
        self.work_regularly()
        self.has_trouble = False
        self.settings.HIVE_RPC_URL = self.anvil.url
        self._make_blocks(True)

    def _make_blocks(self, on: bool) -> None:
        """One for each transaction; and one for all that has waited."""
        self.anvil.ask("evm_setAutomine", on)
        if on:
            self.anvil.mine(1)
