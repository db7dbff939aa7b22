"""`hive bees`."""

from __future__ import annotations

import click

from hive_client.connection import connect
from hive_client.examples import examples
from hive_client.nouns import AgreementEarned, Bee, Run, WhyNotMore
from hive_client.output import JSON, clean, glm, output_option, print_json, print_table, short, when

COLUMNS = ("Bee", "Id", "State", "runs", "glm today", "glm 30 days", "glm in all", "pending", "Why not more")
RUNS = ("Runs", "State", "Team", "Since", "glm/h", "Agreement")
AGREEMENTS = ("Agreement", "Image", "State", "Note", "earned glm", "Signed")
MORE = 2
"""Reasons beyond the first are counted, not told, in the list."""


@click.command(
    epilog=examples(
        "hive bees", "hive bees attic", "hive bees 0x7e5f4552091a69125d5dfcb7b8c2659029395bdf -o json"
    )
)
@click.argument("bee", required=False)
@output_option
def bees(bee: str | None, output: str) -> None:
    """List your own machines: what they run and earn, and why not more. BEE is a name or an id."""
    hive = connect()
    found = list(hive.bees())
    if bee is None:
        print_json(found) if output == JSON else _table(found)
        return
    whole = hive.bee(_id_of(bee, found))
    print_json(whole) if output == JSON else _whole(whole)


def _id_of(wanted: str, found: list[Bee]) -> str:
    ids = [each.id for each in found if wanted.lower() in {each.id, each.name.lower()}]
    if len(ids) != 1:
        told = "is no Bee of yours" if not ids else f"is the name of {len(ids)} Bees: give the id of one"
        raise click.ClickException(f"{clean(wanted)} {told} (hive bees lists them)")
    return ids[0]


def _table(found: list[Bee]) -> None:
    print_table(
        COLUMNS, [_row(each) for each in found], empty="No machine of yours has joined yet: see hive enrol."
    )


def _row(bee: Bee) -> tuple[str, ...]:
    earned = bee.earned
    amounts = (earned.today_glm, earned.month_glm, earned.total_glm, earned.pending_glm)
    return (
        bee.name,
        short(bee.id),
        bee.state if bee.scheduling == "open" else f"{bee.state}, {bee.scheduling}",
        str(len(bee.runs)),
        *map(glm, amounts),
        _first(bee.why_not_more),
    )


def _first(reasons: list[WhyNotMore]) -> str:
    if not reasons:
        return "-"
    more = f" (and {len(reasons) - 1} more)" if len(reasons) >= MORE else ""
    return f"{reasons[0].text}{more}"


def _whole(bee: Bee) -> None:
    _table([bee])
    click.echo(f"\nPaid {glm(bee.earned.paid_glm)} GLM, on the way {glm(bee.earned.on_the_way_glm)} GLM.")
    click.echo(f"{_reputation(bee)}\n")
    print_table(RUNS, [_run(run) for run in bee.runs], empty="Nothing runs there now.")
    click.echo()
    earned = [_earned(each) for each in bee.agreements or []]
    print_table(AGREEMENTS, earned, empty="No agreement in the last 30 days.")
    for reason in bee.why_not_more:
        click.echo(f"\n{clean(reason.text)}\n  {clean(reason.remedy)}")


def _reputation(bee: Bee) -> str:
    if bee.reputation is None:
        return "This Hive keeps no reputations."
    newcomer = ", as a newcomer" if bee.is_newcomer else ""
    return f"Its reputation is {int(bee.reputation * 100)} of 100{newcomer}; its page tells why."


def _run(run: Run) -> tuple[str, ...]:
    what = f"{run.image} on {run.runtime}"
    price = glm(run.price_per_hour_glm)
    return what, run.observed or "waiting", run.team, when(run.since), price, run.agreement[:8]


def _earned(row: AgreementEarned) -> tuple[str, ...]:
    amount, signed = glm(row.earned_glm), when(row.approved_at)
    return row.agreement[:8], row.image, row.state, row.note_state or "-", amount, signed
