"""The nouns of the REST API, as the SDK gives them. Amounts are GLM; instants are aware, in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Membership:
    slug: str
    name: str
    role: str


@dataclass(frozen=True)
class Token:
    id: int
    name: str
    hint: str
    team: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    is_limited: bool = False
    """An application key: see `Key`."""
    token: str | None = None
    """The secret; only in the answer that made it."""


@dataclass(frozen=True)
class Key:
    """An application key. An empty list allows all; a limit of None is none. For amounts see docs/keys.md."""

    id: int
    name: str
    hint: str
    team: str
    state: str
    """issued, expired or revoked."""
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    providers: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    signers: list[str] = field(default_factory=list)
    limit_glm: Decimal | None = None
    limit_per_day_glm: Decimal | None = None
    limit_per_hour_glm: Decimal | None = None
    requests_per_minute: int | None = None
    in_words: str = ""
    """What it may, for people."""
    spent_glm: Decimal = Decimal(0)
    """In all, with what is held for leases, as `spent_today_glm`."""
    spent_today_glm: Decimal = Decimal(0)
    held_glm: Decimal = Decimal(0)
    per_hour_glm: Decimal = Decimal(0)
    """What runs under it costs an hour."""
    deployments: list[str] = field(default_factory=list)
    """Applied with it last."""
    key: str | None = None
    """The secret; only in the answer that made it."""


@dataclass(frozen=True)
class Me:
    user: str
    teams: list[Membership]
    token: Token | None = None


@dataclass(frozen=True)
class Placement:
    """Where one replica would go; `reason` says why nowhere."""

    replica: str
    node_id: str | None = None
    node_name: str = ""
    price_per_hour_glm: Decimal | None = None
    reason: str = ""
    service: str = ""
    region: str = ""
    """"" when the node names none that is believed."""
    price_per_month_glm: Decimal | None = None
    """Of 730 hours."""
    start_glm: Decimal = Decimal(0)
    """Paid once, when it starts there."""
    nearest: str = ""
    """What would have to give for it to be placed."""
    because: list[str] = field(default_factory=list)
    """Why there and not elsewhere."""
    stays: bool = False
    """It runs there already, and applying leaves it alone."""


@dataclass(frozen=True)
class Risk:
    """`kind` is one_node, one_owner, one_region, reputation, newcomer or region."""

    kind: str
    text: str
    replicas: list[str]


@dataclass(frozen=True)
class Effect:
    """What applying a plan does to the budget, as of `at`. Rates are GLM per hour."""

    at: datetime
    available_glm: Decimal
    held_glm: Decimal
    first_leases_glm: Decimal
    start_glm: Decimal
    rate_before_glm: Decimal
    rate_after_glm: Decimal
    runway_h: Decimal | None = None
    lasts_until: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """Valid until `expires_at`; `deployment` is the one it would change, None for a new one."""

    id: str
    team: str
    name: str
    placements: list[Placement]
    price_per_hour_glm: Decimal
    created_at: datetime
    expires_at: datetime
    available_glm: Decimal
    """In the team's budget when the plan was asked for."""
    runway_h: Decimal | None = None
    """Hours that would last at full price."""
    first_leases_glm: Decimal = Decimal(0)
    """What the budget must have for the replicas that find a place to start."""
    deployment: str | None = None
    """What it became; None until it is applied."""
    changes: bool = False
    """Whether there was a deployment of this name when it was drawn up."""
    notes: list[str] = field(default_factory=list)
    """What was left out of the file, and why that does no harm."""
    price_per_month_glm: Decimal = Decimal(0)
    """Of 730 hours."""
    risks: list[Risk] = field(default_factory=list)
    effect: Effect | None = None
    signature: str = ""
    applied_at: datetime | None = None

    @property
    def unplaced(self) -> list[Placement]:
        """Replicas that find no node now."""
        return [placement for placement in self.placements if placement.node_id is None]

    @property
    def is_affordable(self) -> bool:
        """Whether the budget covers the first leases."""
        return self.first_leases_glm <= self.available_glm


@dataclass(frozen=True)
class PlanRow:
    """A plan in a list: see `plans.get` for where each replica would go."""

    id: str
    team: str
    name: str
    replicas: int
    unplaced: int
    """Of them, those that found no node."""
    price_per_hour_glm: Decimal
    created_at: datetime
    expires_at: datetime
    price_per_month_glm: Decimal = Decimal(0)
    """Of 730 hours."""
    deployment: str | None = None
    applied_at: datetime | None = None


@dataclass(frozen=True)
class Proof:
    """Who signed a plan, and what exactly: any Ethereum wallet library can check it."""

    signer: str
    typed_data: dict[str, Any]
    """EIP-712, as wallets take it."""
    content: dict[str, Any]
    """Whose hash is in it."""


@dataclass(frozen=True)
class WholePlan(Plan):
    source: str = ""
    proof: Proof | None = None


@dataclass(frozen=True)
class Agreed:
    """An agreement that a replica worked under."""

    id: str
    node_id: str
    node_name: str
    state: str
    price_per_hour_glm: Decimal
    approved_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True)
class ReplicaPaid:
    """Prices are per hour, with every thread busy."""

    replica: str
    ran_ms: int
    """Billed running time."""
    planned_glm: Decimal
    """What the plan's prices make of that time: the most it said."""
    paid_glm: Decimal
    agreements: list[Agreed]
    planned_price_per_hour_glm: Decimal | None = None
    agreed_price_per_hour_glm: Decimal | None = None


@dataclass(frozen=True)
class PlanPaid:
    """An applied plan beside what was really paid, from its application until the next plan's."""

    since: datetime
    planned_price_per_hour_glm: Decimal
    agreed_price_per_hour_glm: Decimal
    planned_glm: Decimal
    paid_glm: Decimal
    replicas: list[ReplicaPaid]
    until: datetime | None = None


@dataclass(frozen=True)
class Service:
    name: str
    image: str
    replicas_wanted: int
    replicas_healthy: int
    replicas_failed: int = 0
    """Given up: they won't become healthy by waiting."""
    url: str | None = None


@dataclass(frozen=True)
class Deployment:
    """`status` is derived from the replicas; `reason` says what it waits for or why it failed."""

    id: str
    name: str
    team: str
    wanted: str
    status: str
    reason: str
    services: list[Service]
    price_per_hour_glm: Decimal
    created_at: datetime

    @property
    def url(self) -> str | None:
        """Of its first service that has one, whether it answers yet or not."""
        return next((service.url for service in self.services if service.url), None)

    @property
    def answers_at(self) -> list[str]:
        """Addresses behind which at least one replica is healthy."""
        return [service.url for service in self.services if service.url and service.replicas_healthy]


@dataclass(frozen=True)
class Replica:
    name: str
    service: str
    generation: int
    state: str
    reason: str
    state_since: datetime
    retry_at: datetime | None = None
    deadline_at: datetime | None = None
    node_id: str | None = None
    node_name: str = ""
    agreement: str | None = None
    price_per_hour_glm: Decimal | None = None
    lease_until: datetime | None = None
    endpoint: str = ""
    restarts: int = 0


@dataclass(frozen=True)
class Log:
    """The last lines of what a replica wrote, as its Bee had them when they were asked for."""

    replica: str
    generation: int
    node_id: str
    node_name: str
    text: str
    mark: str = ""
    """Where it ends, for who follows."""


@dataclass(frozen=True)
class Event:
    """One line of the audit trail."""

    at: datetime
    noun: str
    label: str
    before: str
    after: str
    actor: str
    reason: str


@dataclass(frozen=True)
class Offer:
    runtime: str
    cpu_threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal
    gpus: int
    price_per_hour_glm: Decimal
    """Of all it offers, every thread busy."""
    price_per_thread_hour_glm: Decimal
    """Of one busy thread: what nodes are compared by."""


@dataclass(frozen=True)
class Benchmark:
    """What a node measured of itself; None: could not be measured."""

    at: datetime
    cpu_single: float | None = None
    """Units of work a second, by one thread; `cpu_all` by all together."""
    cpu_all: float | None = None
    mem_gib_s: float | None = None
    disk_write_mib_s: float | None = None
    disk_read_mib_s: float | None = None
    up_mbit_s: float | None = None
    down_mbit_s: float | None = None
    round_trip_ms: float | None = None


@dataclass(frozen=True)
class Node:
    """`private` holds what its owner alone sees."""

    id: str
    name: str
    state: str
    scheduling: str
    approved: bool
    runtimes: list[str]
    cpu_threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal
    gpus: int
    cpu_threads_claimed: Decimal
    mem_gib_claimed: Decimal
    storage_gib_claimed: Decimal
    gpus_claimed: int
    offers: list[Offer]
    mine: bool
    region: str = ""
    """As its owner declares it."""
    region_fault: str = ""
    """Why the declared region is not believed; "": it is."""
    round_trip_ms: float | None = None
    """As the Queen measured it lately."""
    last_seen_at: datetime | None = None
    benchmark: Benchmark | None = None
    private: dict[str, Any] | None = None


@dataclass(frozen=True)
class Earnings:
    """What was earned in all is paid, on the way or pending."""

    today_glm: Decimal
    """Since midnight UTC."""
    month_glm: Decimal
    """In the last 30 days."""
    total_glm: Decimal
    paid_glm: Decimal
    on_the_way_glm: Decimal
    pending_glm: Decimal


@dataclass(frozen=True)
class Run:
    """What runs on a Bee of yours; `observed` is what the Bee reports, "" while it has not."""

    agreement: str
    image: str
    runtime: str
    team: str
    cpu_threads: Decimal
    mem_gib: Decimal
    observed: str
    since: datetime
    price_per_hour_glm: Decimal


@dataclass(frozen=True)
class WhyNotMore:
    """What keeps a Bee from earning more, and what helps."""

    text: str
    remedy: str


@dataclass(frozen=True)
class AgreementEarned:
    """What one agreement brought in; `note_state` is that of its newest debit note, "" without one."""

    agreement: str
    image: str
    state: str
    reason: str
    earned_glm: Decimal
    note_state: str
    note_reason: str
    asked_glm: Decimal | None = None
    approved_at: datetime | None = None
    """None: the Bee did not sign it."""
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Bee:
    """A node of yours as its owner sees it. `rented_percent` and `offline_h` are of the last seven days."""

    id: str
    name: str
    state: str
    scheduling: str
    approved: bool
    runs: list[Run]
    earned: Earnings
    offline_h: float
    why_not_more: list[WhyNotMore]
    rented_percent: float | None = None
    """Of its threads; None: it has offered none yet."""
    reputation: float | None = None
    """0 to 1, from facts alone; None: a Hive that keeps none."""
    is_newcomer: bool = False
    last_seen_at: datetime | None = None
    agreements: list[AgreementEarned] | None = None
    """Of the last 30 days; only where one Bee is asked for."""


@dataclass(frozen=True)
class Enrolment:
    id: int
    hint: str
    approves: bool
    expires_at: datetime
    used_at: datetime | None = None
    node: str | None = None
    token: str | None = None
    """The secret; only in the answer that made it."""


@dataclass(frozen=True)
class Agreement:
    id: str
    node: str
    state: str
    reason: str
    runtime: str
    image: str
    cpu_threads: Decimal
    mem_gib: Decimal
    price_per_hour_glm: Decimal
    valid_from: datetime
    expires_at: datetime
    requestor_signature: str
    provider_signature: str
    approved_at: datetime | None = None
    ended_at: datetime | None = None
    storage_gib: Decimal = Decimal(0)
    gpus: int = 0
    because: list[str] = field(default_factory=list)
    """Why this offer was chosen over others."""


@dataclass(frozen=True)
class CreditNote:
    """A part of an invoice that was taken back."""

    number: str
    reason: str
    net_glm: Decimal
    tax_glm: Decimal
    total_glm: Decimal
    issued_at: datetime


@dataclass(frozen=True)
class Invoice:
    """A snapshot. `lines` are as the Hive keeps them: one per agreement. What was used is prepaid."""

    id: str
    number: str
    team: str
    period_start: datetime
    period_end: datetime
    total_glm: Decimal
    issued_at: datetime
    lines: list[dict[str, Any]] = field(default_factory=list)
    state: str = "paid"
    """issued, overdue or paid."""
    reason: str = ""
    net_glm: Decimal = Decimal(0)
    """What was used."""
    taxes: list[dict[str, str]] = field(default_factory=list)
    tax_glm: Decimal = Decimal(0)
    due_glm: Decimal = Decimal(0)
    """Still to be paid, by `due_at`."""
    due_at: datetime | None = None
    credit_notes: list[CreditNote] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class Wallet:
    address: str
    created_at: datetime
    is_proven: bool = False
    """Its key signed that it is the team's; if not, an operator registered it."""


@dataclass(frozen=True)
class WalletMessage:
    """What a wallet is to sign, word for word, before `expires_at` (EIP-4361)."""

    address: str
    nonce: str
    message: str
    expires_at: datetime


@dataclass(frozen=True)
class Withdrawal:
    """`state`: requested, confirmed, paid, failed, cancelled or expired."""

    id: str
    team: str
    recipient: str
    amount_glm: Decimal
    state: str
    reason: str
    state_since: datetime
    created_at: datetime
    deadline_at: datetime | None = None
    tx_hash: str | None = None
    """Once it is confirmed."""


@dataclass(frozen=True)
class PaymentRequest:
    amount_glm: Decimal
    chain_id: int
    token: str
    recipient: str
    link: str
    """EIP-681: opens a wallet with all of it filled in."""
    qr_rows: list[str]
    """The link as a QR code, a text of 0 and 1 per row: 1 is dark."""


@dataclass(frozen=True)
class Budget:
    id: int
    team: str
    name: str
    available_glm: Decimal
    held_glm: Decimal
    spent_glm: Decimal
    wallets: list[Wallet]
    deposit: dict[str, Any]
    """Where to send GLM from a wallet of the team: `chain_id`, `token`, `recipient`."""


@dataclass(frozen=True)
class Usage:
    """One metering interval: as the Bee reported it, and as it was billed."""

    agreement: str
    sequence: int
    state: str
    started_at_ms: int
    ended_at_ms: int
    running_ms: int
    cpu_ms: int
    egress_bytes: int
    billed_running_ms: int | None = None
    billed_cpu_ms: int | None = None
    billed_egress_bytes: int | None = None
    cost_glm: Decimal | None = None
    reduced_because: str = ""


@dataclass(frozen=True)
class MarketRow:
    """One runtime in one region of the book; `*` is all of them, a region of "" is not known.

    Prices are those of one CPU thread, busy for an hour; None: there is none.
    """

    runtime: str
    region: str
    offers: int
    nodes: int
    cpu_threads: Decimal
    cpu_threads_free: Decimal
    cpu_threads_let: Decimal
    mem_gib: Decimal
    mem_gib_free: Decimal
    agreements: int
    demands: int
    """Replicas of anybody that look for a node now, of all regions."""
    gpus: int = 0
    gpus_free: int = 0
    least_glm: Decimal | None = None
    """The cheapest with something free."""
    median_glm: Decimal | None = None
    mean_glm: Decimal | None = None
    paid_glm: Decimal | None = None
    """In the agreements in force."""


@dataclass(frozen=True)
class MarketOffer:
    """One offer that can be taken now."""

    id: str
    node: str
    node_name: str
    runtime: str
    region: str
    cpu_threads: Decimal
    cpu_threads_free: Decimal
    mem_gib: Decimal
    mem_gib_free: Decimal
    storage_gib: Decimal
    storage_gib_free: Decimal
    gpus: int
    gpus_free: int
    thread_hour_glm: Decimal
    start_glm: Decimal
    cpu_second_glm: Decimal
    second_glm: Decimal
    egress_gib_glm: Decimal
    valid_until: datetime


@dataclass(frozen=True)
class CloudPrice:
    """A list price on the day `as_of`, in the currency of the list."""

    provider: str
    product: str
    region: str
    cpu_threads: Decimal
    mem_gib: Decimal
    price_per_hour: Decimal
    currency: str
    as_of: str
    source: str


@dataclass(frozen=True)
class CostHere:
    """What finds no place now costs nothing; `reason` says why."""

    replicas: int
    placed: int
    per_hour_glm: Decimal
    per_month_glm: Decimal
    reason: str = ""


@dataclass(frozen=True)
class Worth:
    """The same in another currency, by the operator's rate of a day: an estimate."""

    currency: str
    as_of: str
    per_hour: Decimal
    per_month: Decimal


@dataclass(frozen=True)
class CostThere:
    """At a public cloud; `per_hour_glm` is an estimate, None without a rate."""

    price: CloudPrice
    replicas: int
    per_hour: Decimal
    per_month: Decimal
    per_hour_glm: Decimal | None = None


@dataclass(frozen=True)
class Comparison:
    """What so many replicas would cost here and at public clouds; a month is 730 hours."""

    here: CostHere
    worth: list[Worth]
    there: list[CostThere]
