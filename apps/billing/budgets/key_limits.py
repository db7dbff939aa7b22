"""What an application key may spend: in all, a day, and an hour.

Whoever adds to what is held under a key locks its policy's row first and adds it all up then: of several
workers that want the last of it, one gets it. What is held counts as spent until it is given back, so a limit
is never passed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Case, F, Q, Sum, When
from django.utils import timezone

from apps.billing.budgets.models import Hold, HoldState
from apps.billing.ledger.posting import InsufficientFunds
from apps.billing.metering.dating import counts_after
from apps.billing.metering.models import UsageRecord, UsageState
from apps.market.models import IN_FORCE, KeyPolicy
from apps.money import ZERO, plain

HELD = Q(state=HoldState.HELD)
RUNS = HELD & (Q(agreement=None) | Q(agreement__state__in=IN_FORCE))
"""A hold that waits for the last usage of an agreement that is over costs no hour any more."""


class KeyExhausted(InsufficientFunds):
    """The budget may have it, the key may not spend it; its text is for the person who waits."""

    def __init__(self, words: str, *, available: Decimal, needed: Decimal) -> None:
        super().__init__(available=available, needed=needed)
        self.args = (words,)


@dataclass(frozen=True, slots=True)
class KeySpend:
    """In GLM, what is held for leases included, for it may still be used."""

    total_glm: Decimal
    today_glm: Decimal
    """Since midnight UTC."""
    held_glm: Decimal
    """Of both."""
    per_hour_glm: Decimal
    """What runs, or is about to, costs an hour."""


NOTHING = KeySpend(ZERO, ZERO, ZERO, ZERO)


def spend_of(key_id: int) -> KeySpend:
    return spends_of([key_id])[key_id]


def spends_of(key_ids: Collection[int]) -> dict[int, KeySpend]:
    """Of each of these keys, in two queries."""
    sums = Hold.objects.filter(key__in=key_ids).order_by().values("key")
    held = sums.annotate(
        total=Sum(Case(When(HELD, then=F("amount")), default=F("posted"))),
        left=Sum(F("amount") - F("posted"), filter=HELD, default=ZERO),
        per_hour=Sum("per_hour_glm", filter=RUNS, default=ZERO),
    )
    used = _used_since(key_ids, _midnight(timezone.now()))
    found = {
        row["key"]: KeySpend(
            total_glm=row["total"],
            today_glm=used.get(row["key"], ZERO) + row["left"],
            held_glm=row["left"],
            per_hour_glm=row["per_hour"],
        )
        for row in held
    }
    return dict.fromkeys(key_ids, NOTHING) | found


def locked_policy(key_id: int | None) -> KeyPolicy | None:
    """The key's policy, which nobody else can spend under until this transaction ends; None without one."""
    if key_id is None:
        return None
    rows = KeyPolicy.objects.select_for_update(of=("self",)).select_related("token")
    return rows.filter(token=key_id).first()


def must_be_within(policy: KeyPolicy | None, *, added_glm: Decimal, added_per_hour_glm: Decimal) -> None:
    """Raises KeyExhausted when what is held now, these included, passes a limit of the (locked) policy."""
    if policy is None or not (added_glm or added_per_hour_glm):
        return
    spend = spend_of(policy.token_id)
    if why_not := why_beyond(policy, spend, added_glm=added_glm, added_per_hour_glm=added_per_hour_glm):
        raise why_not


def why_beyond(
    policy: KeyPolicy, spend: KeySpend, *, added_glm: Decimal, added_per_hour_glm: Decimal
) -> KeyExhausted | None:
    """`spend` has in it what was added. Pure."""
    for limit, used, added, words in (
        (policy.limit_glm, spend.total_glm, added_glm, "in all"),
        (policy.limit_per_day_glm, spend.today_glm, added_glm, "for today, until midnight UTC"),
        (policy.limit_per_hour_glm, spend.per_hour_glm, added_per_hour_glm, "an hour, for all that it runs"),
    ):
        if limit is not None and added and used > limit:
            left = max(limit - (used - added), ZERO)
            said = f"{policy} has {plain(left)} GLM left of its {plain(limit)} GLM {words}"
            return KeyExhausted(f"{said}: {plain(added)} GLM are needed", available=left, needed=added)
    return None


def _used_since(key_ids: Collection[int], since: datetime) -> dict[int, Decimal]:
    rated = UsageRecord.objects.filter(agreement__hold__key__in=key_ids, state=UsageState.POSTED)
    recent = rated.filter(counts_after(since)).order_by()
    key_id = F("agreement__hold__key")
    return dict(recent.values(key_id=key_id).annotate(all=Sum("cost_glm")).values_list("key_id", "all"))


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
