"""The SDK: a `Hive` at an address, seen with a token.

Every method may raise `HiveError`. Safe requests are tried again over connection faults; what changes
something is sent once.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import httpx

from hive_client import nouns
from hive_client.reading import read
from hive_client.resources.alerts import Alerts
from hive_client.resources.deployments import Deployments
from hive_client.resources.disputes import Disputes
from hive_client.resources.keys import Keys
from hive_client.resources.market import Market
from hive_client.resources.plans import Plans
from hive_client.resources.wallets import Wallets
from hive_client.resources.webhooks import Webhooks
from hive_client.resources.withdrawals import Withdrawals
from hive_client.session import Session
from hive_client.waiting import WAIT_S, follow


class Hive:
    """A Hive as one team sees it. Use as a context manager, or call `close()`."""

    def __init__(self, url: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._session = Session(url, token, transport=transport)
        self.url = self._session.url
        self.deployments = Deployments(self._session)
        self.market = Market(self._session)
        self.plans = Plans(self._session)
        self.keys = Keys(self._session)
        self.wallets = Wallets(self._session)
        self.withdrawals = Withdrawals(self._session)
        self.disputes = Disputes(self._session)
        self.alerts = Alerts(self._session)
        self.webhooks = Webhooks(self._session)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def me(self) -> nouns.Me:
        return read(nouns.Me, self._session.get("me/"))

    # -- from a Compose file to a deployment --------------------------------------------------------------

    def plan(
        self,
        source: str,
        *,
        name: str | None = None,
        file_name: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> nouns.Plan:
        """What a Compose file would place where, at which price. Changes nothing.

        `variables` are what `${NAME}` in the file stands for.

        Raises `HiveError` with code `manifest` and one `Problem` per fault of the file.
        """
        values = dict(variables) if variables else None
        plan = self._session.post("plans/", source=source, name=name, file_name=file_name, variables=values)
        return read(nouns.Plan, plan)

    def apply(self, plan: nouns.Plan) -> nouns.Deployment:
        """Make it so: the deployment as it begins, before anything runs."""
        return read(nouns.Deployment, self._session.post(f"plans/{plan.id}/apply/"))

    def deploy(
        self,
        source: str,
        *,
        name: str | None = None,
        file_name: str | None = None,
        variables: Mapping[str, str] | None = None,
        wait: bool = True,
        timeout_s: float = WAIT_S,
    ) -> nouns.Deployment:
        """Plan, apply, and wait until every replica is healthy.

        Raises `HiveError` with code `failed` or `timeout` when it does not become healthy.
        """
        deployment = self.apply(self.plan(source, name=name, file_name=file_name, variables=variables))
        return self.wait(deployment, timeout_s=timeout_s) if wait else deployment

    def wait(
        self,
        deployment: nouns.Deployment,
        *,
        timeout_s: float = WAIT_S,
        seen: Callable[[nouns.Deployment], None] = lambda deployment: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> nouns.Deployment:
        """Follow it until it is healthy, or stopped if that is what is wanted; `seen` gets every look.

        Raises `HiveError` with code `failed`, `timeout`, or `changed`: it was stopped, or started, meanwhile.
        """
        looks = (self.deployments.get(deployment.id) for _ in itertools.count())
        return follow(looks, wanted=deployment.wanted, timeout_s=timeout_s, seen=seen, sleep=sleep)

    # -- the market ---------------------------------------------------------------------------------------

    def nodes(self) -> Iterator[nouns.Node]:
        return (read(nouns.Node, row) for row in self._session.pages("nodes/"))

    def node(self, node_id: str) -> nouns.Node:
        return read(nouns.Node, self._session.get(f"nodes/{quote(node_id, safe='')}/"))

    def bees(self) -> Iterator[nouns.Bee]:
        """Your own nodes: what runs there, what they earned, and why not more."""
        return (read(nouns.Bee, row) for row in self._session.pages("bees/"))

    def bee(self, node_id: str) -> nouns.Bee:
        """With its `agreements`."""
        return read(nouns.Bee, self._session.get(f"bees/{quote(node_id, safe='')}/"))

    def enrol(self, *, valid_hours: int | None = None, approves: bool | None = None) -> nouns.Enrolment:
        """A one-time token with which a Bee joins in your name."""
        return read(
            nouns.Enrolment, self._session.post("enrolments/", valid_hours=valid_hours, approves=approves)
        )

    def agreements(self) -> Iterator[nouns.Agreement]:
        return (read(nouns.Agreement, row) for row in self._session.pages("agreements/"))

    # -- money --------------------------------------------------------------------------------------------

    def budgets(self) -> Iterator[nouns.Budget]:
        return (read(nouns.Budget, row) for row in self._session.pages("budgets/"))

    def choose_end(self, budget: int, at_end: str) -> nouns.Budget:
        """What becomes of what runs on it when its money ends: stop, scale-down or ask. For owners."""
        return read(nouns.Budget, self._session.patch(f"budgets/{budget}/", at_end=at_end))

    def usage(self, *, agreement: str | None = None) -> Iterator[nouns.Usage]:
        return (read(nouns.Usage, row) for row in self._session.pages("usage/", agreement=agreement))

    def invoices(self) -> Iterator[nouns.Invoice]:
        return (read(nouns.Invoice, row) for row in self._session.pages("invoices/"))

    def invoice(self, number: str) -> nouns.Invoice:
        return read(nouns.Invoice, self._session.get(f"invoices/{quote(number, safe='')}/"))

    def invoice_file(self, number: str, form: Literal["json", "csv", "pdf"] = "json") -> bytes:
        """The file itself; the JSON is what `hive_client.proving.prove` recomputes."""
        action = "export" if form == "json" else form
        return self._session.download(f"invoices/{quote(number, safe='')}/{action}/")

    def draw_up_invoice(self) -> nouns.Invoice:
        """Invoice what was used and not invoiced yet, as of now."""
        return read(nouns.Invoice, self._session.post("invoices/"))

    def statements(self, *, month: str = "") -> Iterator[nouns.Statement]:
        """Of a month such as "2026-05", else of this one; one for each budget."""
        return (read(nouns.Statement, row) for row in self._session.pages("statements/", month=month or None))

    def statement_file(self, budget: int, form: Literal["json", "csv", "pdf"], *, month: str = "") -> bytes:
        """Of the budget with this id; the file itself."""
        action = "" if form == "json" else f"{form}/"
        return self._session.download(f"statements/{budget}/{action}", month=month or None)

    def billing_details(self) -> Iterator[nouns.BillingDetails]:
        """Whom invoices are made out to, for each of your teams."""
        return (read(nouns.BillingDetails, row) for row in self._session.pages("billing-details/"))

    def change_billing_details(self, team: str, **changes: str) -> nouns.BillingDetails:
        """`name`, `address`, `tax_id`, `email`: what is left out stays as it is. For owners."""
        told = self._session.patch(f"billing-details/{quote(team, safe='')}/", **changes)
        return read(nouns.BillingDetails, told)

    # -- tokens -------------------------------------------------------------------------------------------

    def tokens(self) -> Iterator[nouns.Token]:
        return (read(nouns.Token, row) for row in self._session.pages("tokens/"))

    def issue_token(self, name: str, *, valid_days: int | None = None) -> nouns.Token:
        """Its `token` is the secret, shown this once."""
        return read(nouns.Token, self._session.post("tokens/", name=name, valid_days=valid_days))

    def revoke_token(self, token: nouns.Token) -> None:
        self._session.delete(f"tokens/{token.id}/")
