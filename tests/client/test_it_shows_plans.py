"""`hive plan ls` and `hive plan show`: what was planned, what was paid, and whether the Queen signed it."""

import json
from decimal import Decimal
from typing import Any

import pytest

from agent import keys, typed_data
from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page, plan, plan_row, refusal

KEY = keys.key_of(b"\1" * 32)
ID = "8b6b3c3e-0000-4000-8000-000000000002"
WHOLE, ACTUAL = f"plans/{ID}/", f"plans/{ID}/actual/"


def whole(**fields: Any) -> dict[str, Any]:
    """A plan as `GET /plans/<id>/` gives it, really signed."""
    drawn_up = plan(deployment="hello", **fields)
    content = {"placements": drawn_up["placements"], "risks": [], "effect": {}, "manifest": {}}
    says = typed_data.plan_says(
        plan_id=ID,
        queen=KEY.address,
        team="bakery",
        name="hello",
        source="name: hello\n",
        content=content,
        price_per_hour_glm=Decimal(drawn_up["price_per_hour_glm"]),
        expires_at_ms=1_767_269_400_000,
    )
    proof = {
        "signer": KEY.address,
        "typed_data": typed_data.for_wallets("Plan", says, chain_id=31337),
        "content": content,
    }
    signature = typed_data.sign(typed_data.plan(says, chain_id=31337), KEY)
    return drawn_up | {"source": "name: hello\n", "proof": proof, "signature": signature}


def actual() -> dict[str, Any]:
    agreed = {
        "id": ID,
        "node_id": "0x1",
        "node_name": "anna",
        "state": "approved",
        "price_per_hour_glm": "0.0045",
    }
    row = {
        "replica": "web-1",
        "planned_price_per_hour_glm": "0.004",
        "agreed_price_per_hour_glm": "0.0045",
        "ran_ms": 7_200_000,
        "planned_glm": "0.008",
        "paid_glm": "0.0071",
        "agreements": [agreed],
    }
    totals = {name: row[name] for name in row if name.endswith("_glm")}
    return {"since": "2026-01-01T12:01:00Z", "until": None, "replicas": [row], **totals}


def test_it_lists_plans(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "plans/", page(plan_row(), plan_row(applied_at="2026-01-01T12:01:00Z")))
    head, first, second = hive("plan", "ls").stdout.splitlines()
    assert head.split()[:3] == ["PLAN", "FOR", "GLM/H"]
    assert first.split()[:4] == [ID, "hello", "0.004", "2"] and first.endswith("no")
    assert second.endswith("ago")


def test_it_lists_the_newest_unless_all_are_asked_for(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "plans/", page(*(plan_row(name=f"number-{number}") for number in range(25))))
    short = hive("plan", "ls")
    assert len(short.stdout.splitlines()) == 1 + 20
    assert short.stderr == "These are the newest 20; --all lists all.\n"
    assert len(json.loads(hive("plan", "ls", "--limit", "3", "-o", "json").stdout)) == 3
    whole = hive("plan", "ls", "--all")
    assert (len(whole.stdout.splitlines()), whole.stderr) == (1 + 25, "")


def test_it_asks_for_no_page_that_it_does_not_show(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "plans/", page(*(plan_row() for _ in range(100)), more=True))
    hive("plan", "ls")
    assert len(double.asked) == 1


def test_it_shows_a_plan_beside_what_was_paid(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", WHOLE, (200, whole(applied_at="2026-01-01T12:01:00Z")))
    double.answers("GET", ACTUAL, (200, actual()))
    told = hive("plan", "show", ID).stdout
    assert "anna 0x1111…1111" in told
    assert "Paid 0.0071 GLM so far; the plan said 0.008 at most." in told
    assert "0.0045" in told and "2 h" in told


def test_it_asks_for_no_payments_of_what_was_not_applied(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", WHOLE, (200, whole()))
    told = json.loads(hive("plan", "show", ID, "-o", "json").stdout)
    assert (told["plan"]["id"], told["actual"]) == (ID, None)
    assert len(double.asked) == 1


def test_it_says_that_there_is_no_such_plan(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", WHOLE, refusal(404, "not_found", "no plan"))
    assert hive("plan", "show", ID).exit_code == 4


def test_it_finds_the_queens_signature_good(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", WHOLE, (200, whole()))
    result = hive("plan", "show", ID, "--verify")
    assert result.exit_code == 0
    assert result.stderr == f"All of it is what {KEY.address} signed.\n"


@pytest.mark.parametrize(
    ("forged", "fault"),
    [
        ({"source": "name: evil\n"}, "the file is another one than was signed"),
        ({"price_per_hour_glm": "0.003"}, "pricePerHourWei is 3000000000000000, signed is 4000000000000000"),
        ({"name": "other"}, "name is other, signed is hello"),
        ({"expires_at": "2027-01-01T12:10:00Z"}, "expiresAtMs is 1798805400000, signed is 1767269400000"),
        ({"signature": "0x" + "11" * 65}, f"it is not signed by {KEY.address}"),
        ({"placements": []}, "the replicas shown are not those that were signed"),
    ],
)
def test_it_names_what_was_not_signed(
    hive: Run, double: DoubleOfTheHive, forged: dict[str, Any], fault: str
) -> None:
    double.answers("GET", WHOLE, (200, whole() | forged))
    result = hive("plan", "show", ID, "--verify")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"Error: {fault}"


def test_it_does_not_believe_a_proof_of_something_else(hive: Run, double: DoubleOfTheHive) -> None:
    other = whole()
    other["proof"]["content"]["risks"] = [{"kind": "newcomer"}]
    double.answers("GET", WHOLE, (200, other))
    assert "are others than were signed" in hive("plan", "show", ID, "--verify").stderr


@pytest.mark.parametrize(
    ("cap_ends_first", "words"),
    [
        (True, "The budget has 10 GLM. It may take 5 GLM a month: 0.25 GLM are left, enough for 12 s,"),
        (False, "The budget has 10 GLM, enough for 12 s, until 2026-04-15 16:00 UTC. It may take 5 GLM a"),
    ],
)
def test_it_says_whose_money_ends(
    hive: Run, double: DoubleOfTheHive, cap_ends_first: bool, words: str
) -> None:
    amounts = ("available_glm", "held_glm", "first_leases_glm", "start_glm", "rate_before_glm")
    effect = dict.fromkeys((*amounts, "rate_after_glm"), "0.004") | {"at": "2026-01-01T12:00:00Z"}
    effect |= {"cap_glm": "5", "cap_per": "month", "cap_left_glm": "0.25", "at_end": "stop"}
    effect |= {"cap_ends_first": cap_ends_first, "lasts_until": "2026-04-15T16:00:00Z"}
    double.answers("POST", "plans/", (201, plan(runway_h="0.0033333", effect=effect)))
    assert words in hive("plan", "-f", "-", stdin="x").stdout


def test_it_tells_risks_reasons_and_what_is_nearest(hive: Run, double: DoubleOfTheHive) -> None:
    drawn_up = plan(
        price_per_month_glm="2.92",
        risks=[
            {"kind": "newcomer", "text": "anna is new here", "replicas": [f"web-{i}" for i in range(1, 7)]}
        ],
        effect={
            "at": "2026-01-01T12:00:00Z",
            "lasts_until": "2026-04-15T16:00:00Z",
            "runway_h": "2500",
            **dict.fromkeys(
                (
                    "available_glm",
                    "held_glm",
                    "first_leases_glm",
                    "start_glm",
                    "rate_before_glm",
                    "rate_after_glm",
                ),
                "1",
            ),
        },
    )
    drawn_up["placements"][0] |= {"because": ["the cheapest of 4 that fit"], "price_per_month_glm": "2.92"}
    drawn_up["placements"][1] |= {"nearest": "with 8 CPU threads instead of 64 it fits bee anna"}
    double.answers("POST", "plans/", (201, drawn_up))
    told = hive("plan", "-f", "-", stdin="x").stdout
    assert "anna 0x1111…1111: the cheapest of 4 that fit" in told
    assert "nearest: with 8 CPU threads instead of 64" in told
    assert "Risk: anna is new here (web-1, web-2, web-3, web-4 and 2 more)" in told
    assert "0.004 GLM per hour, 2.92 per month" in told
    assert "until 2026-04-15 16:00 UTC" in told
    assert "All that runs then costs 1 per hour." in told


@pytest.mark.parametrize(
    ("changes", "told"), [(True, "hello, a change of what is deployed"), (False, "hello, a new deployment")]
)
def test_it_says_whether_it_makes_or_changes_and_which_plan_it_is(
    hive: Run, double: DoubleOfTheHive, changes: bool, told: str
) -> None:
    double.answers("POST", "plans/", (201, plan(changes=changes)))
    shown = hive("plan", "-f", "-", stdin="x").stdout
    assert f"Plan for {told}" in shown
    assert f"hive plan show {ID} shows it again." in shown
    double.answers("GET", WHOLE, (200, whole(changes=changes)))
    assert f"Plan for {told}" in hive("plan", "show", ID).stdout
