"""Teams are told at the levels they set: once per crossing, by one worker; armed again well above."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.billing.alerts import crossing
from apps.billing.alerts.crossing import check_alerts, is_crossed, is_well_above
from apps.billing.alerts.levels import MOST_LEVELS, AlertRefused, add_level, remove_level
from apps.billing.alerts.standing import Standing, readings_of, standing_of
from apps.billing.budgets.holding import place_hold
from apps.billing.budgets.opening import open_budget
from apps.billing.budgets.runway import Runway
from apps.billing.ledger.posting import house_account, transfer, undo
from apps.billing.models import Account, AccountKind, AlertLevel, Budget, Hold, Transfer, TransferKind
from apps.teams.audit import Actor
from apps.teams.models import Notice
from tests.billing.test_it_works_side_by_side import side_by_side

pytestmark = pytest.mark.django_db

OLGA = Actor("user", "olga")
NUMBERS = itertools.count(1)


def use(budget, amount):
    """As usage is posted: held, then paid to somebody."""
    number = next(NUMBERS)
    for kind, debit, credit in (
        ("hold", budget.available, budget.held),
        ("usage", budget.held, house_account(AccountKind.FEES)),
    ):
        transfer(key=f"{kind}:{number}", kind=kind, debit=debit, credit=credit, amount_glm=Decimal(amount))


def told():
    return list(Notice.objects.order_by("created_at").values_list("kind", "subject"))


def levels(budget, *pairs):
    AlertLevel.objects.filter(budget=budget).delete()
    AlertLevel.objects.bulk_create(AlertLevel(budget=budget, kind=kind, level=level) for kind, level in pairs)


def test_a_budget_opens_with_the_usual_levels(team):
    found = AlertLevel.objects.filter(budget=open_budget(team))
    assert set(found.values_list("kind", "level")) == {("used", 80), ("used", 95), ("runway", 24)}


def test_it_tells_of_each_level_once(budget):
    assert check_alerts() == 0
    use(budget, "7.9")
    assert check_alerts() == 0
    use(budget, "0.1")
    assert [check_alerts(), check_alerts()] == [1, 0]
    use(budget, "1.6")
    assert check_alerts() == 1
    assert told() == [
        ("budget.used", "Budget bakery/main: 80 % are used"),
        ("budget.used", "Budget bakery/main: 96 % are used"),
    ]
    notice = Notice.objects.latest("created_at")
    assert "9.6 GLM of 10 GLM were used since the latest top-up, 0.4 GLM are left" in notice.text
    assert notice.data["left_glm"] == "0.4"
    assert notice.data["alert"] == {"kind": "used", "level": 95}


def test_several_levels_that_are_crossed_at_once_are_told_of_as_one(budget):
    check_alerts()
    use(budget, "9.7")
    assert check_alerts() == 2
    assert told() == [("budget.used", "Budget bakery/main: 97 % are used")]


def test_a_top_up_arms_them_again(budget, fund):
    check_alerts()
    use(budget, "9")
    assert check_alerts() == 1
    fund(budget, "1")
    assert standing_of(budget.pk).percent_used == 0
    assert check_alerts() == 0
    assert not AlertLevel.objects.exclude(crossed_at=None).exists()
    use(budget, "1.6")
    assert (check_alerts(), standing_of(budget.pk).percent_used) == (1, 80)
    assert Notice.objects.count() == 2


def test_a_budget_that_hovers_at_a_level_tells_of_it_once(budget):
    """What is held and given back moves nothing, and a credit note of some per cent arms nothing."""
    check_alerts()
    use(budget, "8")
    check_alerts()
    transfer(
        key="credit:1",
        kind=TransferKind.CREDIT,
        debit=house_account(AccountKind.FEES),
        credit=budget.available,
        amount_glm=Decimal("0.3"),
    )
    assert Decimal(75) < standing_of(budget.pk).percent_used < 80
    assert check_alerts() == 0
    use(budget, "0.5")
    assert (standing_of(budget.pk).percent_used > 80, check_alerts()) == (True, 0)


def test_it_tells_of_the_hours_that_are_left(budget, now):
    levels(budget, ("runway", 24))
    place_hold(
        budget=budget,
        reference="replica:1",
        amount_glm=Decimal("0.2"),
        until=now + timedelta(hours=1),
        per_hour_glm=Decimal("0.4"),
    )
    assert check_alerts() == 0, "25 hours"
    Hold.objects.update(per_hour_glm=Decimal("0.5"))
    assert [check_alerts(), check_alerts()] == [1, 0]
    [(kind, subject)] = told()
    assert kind == "budget.runway"
    assert subject.startswith("Budget bakery/main lasts until ")
    Hold.objects.update(per_hour_glm=0)
    assert check_alerts() == 0
    Hold.objects.update(per_hour_glm=Decimal("0.5"))
    assert check_alerts() == 0, "that all was stopped meanwhile gave it no more money"
    Hold.objects.update(per_hour_glm=Decimal("0.1"))
    check_alerts()
    Hold.objects.update(per_hour_glm=Decimal("0.5"))
    assert check_alerts() == 1, "a hundred hours were well above"


def test_a_deposit_that_is_undone_was_never_there(budget, fund):
    check_alerts()
    fund(budget, "90")
    check_alerts()
    use(budget, "5")
    undo(Transfer.objects.filter(kind="deposit").latest("id"), key="counter:1")
    found = standing_of(budget.pk)
    assert (found.whole_glm, found.used_glm, check_alerts()) == (10, 5, 0)


def test_a_withdrawal_takes_from_the_whole(budget):
    check_alerts()
    use(budget, "1")
    transfer(
        key="payout:1",
        kind=TransferKind.PAYOUT,
        debit=budget.available,
        credit=house_account(AccountKind.IN_FLIGHT),
        amount_glm=Decimal(7),
    )
    found = standing_of(budget.pk)
    assert (found.whole_glm, found.percent_used) == (3, Decimal(100) / 3)


def test_a_credit_limit_counts(budget):
    check_alerts()
    use(budget, "9")
    Account.objects.filter(pk=budget.available_id).update(credit_limit_glm=90)
    assert (standing_of(budget.pk).percent_used, check_alerts()) == (9, 0)


def test_a_budget_that_never_had_anything_is_told_of_nothing(team):
    opened = open_budget(team)
    assert (standing_of(opened.pk).percent_used, check_alerts()) == (0, 0)


def test_a_budget_that_can_not_be_told_of_holds_up_no_other(budget, team, fund, monkeypatch):
    other, notify = open_budget(team, "other"), crossing.notify
    fund(other, "10")
    check_alerts()
    for each in (budget, other):
        use(each, "9")

    def broken(**said):
        if said["data"]["budget"] == budget.name:
            raise ZeroDivisionError("as if there were a fault in it")
        return notify(**said)

    monkeypatch.setattr(crossing, "notify", broken)
    assert check_alerts() == 1
    assert told() == [("budget.used", "Budget bakery/other: 90 % are used")]
    monkeypatch.undo()
    assert check_alerts() == 1, "what was not told is not crossed"


def test_a_look_costs_no_more_for_many_budgets(team, budget, django_assert_max_num_queries):
    for number in range(30):
        open_budget(team, f"b{number}")
    check_alerts()
    with django_assert_max_num_queries(6):
        check_alerts()


def test_it_finds_what_came_in_by_an_index(budget):
    """Among millions of holds; a small table is scanned, so the planner is told not to."""
    for number in range(20):
        use(budget, f"0.0{number + 1}")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    from apps.billing.alerts.standing import OUTSIDE

    plan = Transfer.objects.filter(OUTSIDE, credit__in=[budget.available_id]).order_by().explain()
    assert "transfer_brings_in" in plan


class TestSideBySide:
    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.mark.django_db(transaction=True)
    def test_of_many_workers_one_tells(self, budget):
        check_alerts()
        use(budget, "9.7")
        assert sorted(side_by_side(*[check_alerts] * 6)) == [0, 0, 0, 0, 0, 2]
        assert len(told()) == 1


def test_owners_set_levels_and_take_them_away(budget):
    made = add_level(budget=budget, kind="used", level=50, actor=OLGA)
    with pytest.raises(AlertRefused, match="there is an alert at 50 percent used already"):
        add_level(budget=budget, kind="used", level=50, actor=OLGA)
    for kind, level in [("used", 0), ("used", 101), ("runway", 0), ("runway", 8761), ("used", -(2**63))]:
        with pytest.raises(AlertRefused, match="expected a whole number from 1 to"):
            add_level(budget=budget, kind=kind, level=level, actor=OLGA)
    check_alerts()
    use(budget, "5")
    assert check_alerts() == 1
    remove_level(made, actor=OLGA)
    for level in range(1, MOST_LEVELS - 2):
        add_level(budget=budget, kind="runway", level=level, actor=OLGA)
    with pytest.raises(AlertRefused, match="at most 20"):
        add_level(budget=budget, kind="used", level=1, actor=OLGA)


@pytest.mark.parametrize("values", ["'used', 0", "'used', 101", "'runway', 8761", "'other', 5"])
def test_the_database_refuses_a_level_that_can_not_be_crossed(budget, values):
    kind, level = values.split(", ")
    with pytest.raises(DatabaseError, match="alert_level_can_be_crossed"), transaction.atomic():
        connection.cursor().execute(f"UPDATE billing_alertlevel SET kind = {kind}, level = {level}")


def standing(used: str, left: str, per_hour: str = "0") -> Standing:
    runway = Runway(money_glm=Decimal(left), per_hour_glm=Decimal(per_hour), at=timezone.now())
    return Standing(used_glm=Decimal(used), runway=runway)


@pytest.mark.parametrize(
    "kind, level, at, crossed, well_above",
    [
        ("used", 80, standing("79.999", "20.001"), False, False),
        ("used", 80, standing("80", "20"), True, False),
        ("used", 80, standing("74.9", "25.1"), False, True),
        ("used", 1, standing("0", "1"), False, True),
        ("used", 100, standing("5", "0"), True, False),
        ("used", 100, standing("0", "0"), False, True),
        ("runway", 2, standing("0", "2", "1"), False, False),
        ("runway", 2, standing("0", "1.99", "1"), True, False),
        ("runway", 2, standing("0", "2.4", "1"), False, False),
        ("runway", 2, standing("0", "2.41", "1"), False, True),
        ("runway", 2, standing("0", "0", "1"), True, False),
        ("runway", 2, standing("0", "0", "0"), False, False),
    ],
)
def test_it_decides(kind, level, at, crossed, well_above) -> None:
    assert (is_crossed(kind, level, at), is_well_above(kind, level, at)) == (crossed, well_above)


def test_it_reads_what_it_is_asked_for(budget, team):
    other = open_budget(team, "other")
    assert set(readings_of(Budget.objects.filter(pk=other.pk))) == {other.pk}
