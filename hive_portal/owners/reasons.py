"""Why a Bee does not earn more: plain decisions over the facts that `facts.py` gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from apps.billing.models import MeteringFaultKind
from apps.money import plain
from apps.nodes.models import NodeState, Scheduling
from hive_portal.templatetags.hive import figures

OFFLINE_H = 1.0
"""Less silence in a week is nothing to speak of."""
BUSY_PERCENT = 90
"""With so much of it rented, a Bee is as good as full."""
DEARER_PERCENT = 10
"""So far above the others a price keeps work away."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What keeps money away, and what its owner can do about it."""

    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Refused:
    """So many proposals or agreements came to nothing, for one reason."""

    noun: str
    state: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Price of one busy thread for an hour on one runtime, beside the median of what others ask."""

    runtime: str
    price_glm: Decimal
    others_glm: Decimal | None
    """None: nobody else offers this runtime."""


@dataclass(frozen=True, slots=True)
class Faults:
    """So many disagreements of one kind about usage; `detail` is the newest."""

    kind: str
    count: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """About one Bee. What is counted is of the last seven days."""

    state: str
    state_reason: str = ""
    approved: bool = True
    scheduling: str = Scheduling.OPEN
    offline_h: float = 0
    """In which the Hive listened and did not hear it."""
    known_h: float = 168
    """Since it joined, at most seven days."""
    cpu_threads: Decimal = Decimal(0)
    rented_percent: float | None = None
    """Of its threads, over the time; None: it has offered none yet."""
    refused: list[Refused] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    """By its live offers: empty, it offers nothing now."""
    faults: list[Faults] = field(default_factory=list)
    disputes: list[str] = field(default_factory=list)
    """Why each of its disputed debit notes is."""
    measured_at: datetime | None = None
    region: str = ""
    region_fault: str = ""
    """Why the region that the owner declares is not believed."""
    lost: str = ""
    """What its reputation says of agreements that were lost in the last 30 days."""
    is_newcomer: bool = False
    reputation: float = 1.0
    """0 to 1: see apps/market/reputation."""

    @property
    def reputation_percent(self) -> int:
        """Rounded down, as on its page."""
        return int(self.reputation * 100)


def why_not_more(facts: Facts) -> list[Reason]:
    """What weighs most comes first; empty when there is nothing to mend."""
    return [reason for why in _WHYS for reason in why(facts)]


# -- may it work at all -----------------------------------------------------------------------------------


def _is_kept_out(facts: Facts) -> Iterator[Reason]:
    if facts.state == NodeState.BANNED:
        yield Reason(
            f"It is banned: {facts.state_reason or 'no reason was given'}.",
            "Only an operator can lift this: talk to them. What it earned so far is still paid.",
        )
    elif not facts.approved:
        yield Reason(
            "It waits for an operator's approval and gets no work until then.",
            "Ask an operator to approve it. Leave it running: work comes once it is approved.",
        )


def _is_closed(facts: Facts) -> Iterator[Reason]:
    if facts.scheduling == Scheduling.CORDONED:
        yield Reason(
            "It is cordoned: it keeps what it runs and gets nothing new.",
            "An operator did this and can open it again: ask why.",
        )
    elif facts.scheduling == Scheduling.DRAINING:
        yield Reason(
            "It is being drained: what it runs is moved elsewhere and nothing new comes.",
            "An operator did this, perhaps at your wish; they can open it again.",
        )


def _is_away(facts: Facts) -> Iterator[Reason]:
    if facts.state in {NodeState.UNKNOWN, NodeState.OFFLINE} and facts.approved:
        why = f": {facts.state_reason}" if facts.state_reason else ""
        yield Reason(
            f"The Hive does not hear it now{why}.",
            "See that the machine is on and linked, and start the agent: hive agent run, or "
            "systemctl status hive-bee where it is a service.",
        )


def _was_away(facts: Facts) -> Iterator[Reason]:
    if facts.offline_h >= OFFLINE_H:
        share = f" of {_hours(facts.known_h)}" if facts.known_h else ""
        yield Reason(
            f"It could not be heard for {_hours(facts.offline_h)}{share}.",
            "Let it run through: hive agent install makes it a service that starts with the machine, and "
            "see that the machine does not go to sleep.",
        )


def _offers_nothing(facts: Facts) -> Iterator[Reason]:
    if facts.state == NodeState.ONLINE and facts.approved and not facts.asked:
        yield Reason(
            "It is online and offers nothing.",
            "hive agent status, on the machine, says why: paused (hive agent resume), outside rent.hours of "
            "bee.toml, everything rented, or no runtime that works.",
        )


# -- what keeps work away ---------------------------------------------------------------------------------


def _is_dear(facts: Facts) -> Iterator[Reason]:
    for asked in facts.asked:
        if asked.others_glm is None:
            continue
        limit = asked.others_glm * (100 + DEARER_PERCENT) / 100
        if asked.price_glm > limit:
            yield Reason(
                f"On {asked.runtime} it asks {figures(asked.price_glm)} GLM for a thread and hour; the "
                f"median of the others is {figures(asked.others_glm)}.",
                "hive agent quote, on the machine, shows from which price on it works at a profit; lower "
                '[prices] in bee.toml, or let them follow the load (policy = "load").',
            )


def _would_not(facts: Facts) -> Iterator[Reason]:
    for refused in facts.refused:
        yield Reason(f"{_counted(refused)}: {refused.reason or 'no reason was given'}.", _remedy_of(refused))


def _counted(refused: Refused) -> str:
    """3 proposals rejected."""
    return f"{refused.count} {refused.noun}{'' if refused.count == 1 else 's'} {refused.state}"


def _remedy_of(refused: Refused) -> str:
    if refused.noun == "agreement" and refused.state == "terminated":
        return "These ended before they earned anything; their history, below, tells it step by step."
    return next(
        (remedy for words, remedy in _REMEDIES if words in refused.reason.lower()),
        "See [rules] and [rent] in bee.toml: what they refuse goes to another Bee.",
    )


_LOWER = "hive agent quote shows the lowest price that pays; lower [prices] in bee.toml to win these."
_REMEDIES = (
    ("no answer", "The Bee was asked and did not answer in time: see its log, and whether its line is slow."),
    ("owner's rules", "Your own rules in bee.toml say so: widen [rules] if you want this work."),
    ("rents this machine out only", "Your own hours say so: widen rent.hours in bee.toml if you want it."),
    ("paused", "You had paused it: hive agent resume lets work in again."),
    ("price", _LOWER),
    ("glm", _LOWER),
    ("free", "It was full. Rent out more threads or memory in [rent] of bee.toml, if the machine has them."),
)
"""Words that the Bee's reasons have in them, and what helps."""


def _has_lost(facts: Facts) -> Iterator[Reason]:
    if facts.lost:
        yield Reason(
            f"It {facts.lost}. Teams that look for the best value pass it by for that.",
            "Ask an operator to drain it before you switch it off: what is moved away is not lost. What was "
            "lost weighs less with every day.",
        )


def _is_new(facts: Facts) -> Iterator[Reason]:
    """Only where it may work: else what keeps it from that is said above."""
    if facts.is_newcomer and facts.state == NodeState.ONLINE and facts.approved:
        yield Reason(
            "It is a newcomer: a service that has several replicas puts few of them here.",
            "Leave it on: each day, and each agreement kept, makes it known.",
        )


def _is_doubted(facts: Facts) -> Iterator[Reason]:
    if facts.region_fault:
        yield Reason(
            f"Its region, {facts.region}, is not believed: {facts.region_fault}. Teams that ask for a region "
            "pass it by.",
            "Correct region in bee.toml and start the agent again. If it is right, a quicker line helps: the "
            "quickest answer of the last seven days counts.",
        )


def _is_idle(facts: Facts) -> Iterator[Reason]:
    """Only where nothing above says why: an idle Bee that is in order lacks demand, or speed."""
    works = facts.state == NodeState.ONLINE and facts.approved and bool(facts.asked)
    if works and facts.rented_percent is not None and facts.rented_percent < BUSY_PERCENT:
        yield Reason(
            f"{_percent(facts.rented_percent)} of its {plain(facts.cpu_threads)} threads were rented.",
            "More runtimes, images and teams allowed in [rules], or a lower price, bring more work; what "
            "nobody asks for stays idle.",
        )


def _is_unmeasured(facts: Facts) -> Iterator[Reason]:
    if facts.measured_at is None and facts.approved and facts.state != NodeState.BANNED:
        yield Reason(
            "It has not been measured yet; teams that ask for speed pass it by.",
            "It measures itself while nothing runs on it; hive agent benchmark shows you the figures.",
        )


# -- what was not paid ------------------------------------------------------------------------------------


def _has_faults(facts: Facts) -> Iterator[Reason]:
    for faults in facts.faults:
        times = "once" if faults.count == 1 else f"{faults.count} times"
        label = MeteringFaultKind(faults.kind).label.lower()
        yield Reason(f"Its usage was objected to {times}, {label}: {faults.detail}.", _MENDS[faults.kind])


_MENDS: dict[str, str] = {
    MeteringFaultKind.SIGNATURE: "Another key signed. Let one agent alone run with this folder, the one that "
    "joined.",
    MeteringFaultKind.FORK: "Two agents run with one key, or the journal was put back from a copy: run one, "
    "and never restore journal.sqlite3.",
    MeteringFaultKind.GAP: "Reports came out of order and are sent again; if it stays, see the agent's log.",
    MeteringFaultKind.CHAIN: "The journal was changed or put back from a copy: never restore it.",
    MeteringFaultKind.OVERCLAIM: "Only what Bee and Hive both saw is paid. A machine that sleeps, or a clock "
    "that jumps, claims time that did not pass: keep it awake and its clock in step (timedatectl).",
    MeteringFaultKind.RANGE: "The report has impossible figures: a clock that is far off or jumps does that "
    "(timedatectl); else the agent is damaged, install it again.",
    MeteringFaultKind.LATE: "It came after the end. Keep the link up while work ends, and give the agent "
    "time to stop: hive agent run --stop-replicas.",
    MeteringFaultKind.UNFUNDED: "The team's budget did not reach. Nothing is wrong with your Bee.",
}


def _has_disputes(facts: Facts) -> Iterator[Reason]:
    for dispute in facts.disputes:
        yield Reason(
            f"A debit note is disputed: {dispute}.",
            "What was rated is paid all the same. Under Disputes, take the Hive's figure or tell an operator "
            "why it is too low; a Bee that often counts more loses the link, sleeps, or has a jumping clock.",
        )


_WHYS: tuple[Callable[[Facts], Iterator[Reason]], ...] = (
    _is_kept_out,
    _is_closed,
    _is_away,
    _offers_nothing,
    _was_away,
    _is_dear,
    _would_not,
    _is_doubted,
    _has_lost,
    _has_faults,
    _has_disputes,
    _is_idle,
    _is_unmeasured,
    _is_new,
)


def _hours(hours: float) -> str:
    return f"{hours:.0f} h" if hours >= 10 else f"{hours:.1f} h"


def _percent(percent: float) -> str:
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"
