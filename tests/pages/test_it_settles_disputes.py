"""The owner of a Bee and an operator settle a dispute on its page, or over the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.billing.models import DebitNote, Dispute, DisputeState, UsageRecord
from apps.billing.providers.disputing import chase_disputes
from apps.teams.models import User
from hive_portal.standing import figures
from tests.pages.conftest import signed_in
from tests.pages.scenery import Scenery, hash_of, ms

ASKED = "0.00042"


@pytest.fixture
def dispute(scenery: Scenery) -> Dispute:
    """Over studio's note; its report is rated at 0.00032 GLM."""
    agreement = scenery.dispute.agreement
    assert agreement.approved_at is not None
    UsageRecord.objects.create(
        agreement=agreement,
        sequence=1,
        previous_hash="0x" + "00" * 32,
        hash=hash_of("disputed"),
        signature="0x",
        started_at_ms=ms(agreement.approved_at),
        ended_at_ms=ms(agreement.approved_at) + 60_000,
        running_ms=60_000,
        cpu_ms=9_000,
        egress_bytes=0,
        state="posted",
        cost_glm=Decimal("0.00032"),
    )
    Dispute.objects.filter(pk=scenery.dispute.pk).update(rated_glm=Decimal("0.00032"))
    scenery.dispute.refresh_from_db()
    return scenery.dispute


def _page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def _post(client: Client, dispute: Dispute, verb: str, **fields: Any) -> str:
    answer = client.post(f"/disputes/{dispute.pk}/{verb}/", fields, follow=True)
    assert answer.status_code in {200, 422}
    dispute.refresh_from_db()
    return answer.content.decode()


def test_it_shows_the_difference_and_what_was_said(dispute: Dispute, as_owner: Client) -> None:
    page = _page(as_owner, f"/disputes/{dispute.pk}/")
    assert 'value="0.0001"' in page
    assert "the journal has every one of them" in page
    assert "Answer for the Hive" not in page
    assert f"/disputes/{dispute.pk}/" in _page(as_owner, "/disputes/")


def test_the_owner_is_led_to_it(dispute: Dispute, as_owner: Client, as_operator: Client) -> None:
    assert "wait for your word" not in _page(as_owner, "/bees/"), "it is the Hive's turn"
    _post(as_operator, dispute, "reply", text="Which six minutes?")
    assert "1 dispute over what your Bees ask waits for your word" in _page(as_owner, "/bees/")
    path = f"/disputes/{dispute.pk}/"
    assert path in _page(as_owner, f"/bees/{dispute.agreement.node_id}/")
    assert path in _page(as_owner, f"/agreements/{dispute.agreement_id}/")


def test_an_offer_is_made_and_taken(dispute: Dispute, as_owner: Client, as_operator: Client) -> None:
    page = _post(as_operator, dispute, "reply", text="Half of it.", figure_glm="0.00037")
    assert "for the Hive" in page
    assert dispute.state == DisputeState.WITH_OWNER
    _post(as_owner, dispute, "accept", gives_up_glm="0.00005")
    assert dispute.state == DisputeState.SETTLED
    assert DebitNote.objects.get(pk=dispute.note_id).amount_accepted == Decimal("0.00037")


def test_it_tells_what_was_wrong_and_keeps_what_was_typed(dispute: Dispute, as_operator: Client) -> None:
    page = _post(as_operator, dispute, "reply", text="All of it, and more.", figure_glm="1")
    assert "expected between 0.00032" in page
    assert "All of it, and more." in page
    page = _post(as_operator, dispute, "reply", text="All of it.", figure_glm="lots")
    assert "Enter a number" in page
    assert dispute.state == DisputeState.WITH_HIVE


def test_an_operator_decides(dispute: Dispute, as_operator: Client) -> None:
    _post(as_operator, dispute, "reply", text="You are right.", figure_glm=ASKED, final="on")
    assert (dispute.state, dispute.open_glm) == (DisputeState.SETTLED, 0)
    assert "Answer for the Hive" not in _page(as_operator, f"/disputes/{dispute.pk}/")


def test_an_operator_does_not_speak_for_the_owner(dispute: Dispute, as_operator: Client) -> None:
    for verb in ("say", "accept"):
        assert as_operator.post(f"/disputes/{dispute.pk}/{verb}/", {"text": "x"}).status_code == 404


def test_staff_that_may_not_change_disputes_only_look(dispute: Dispute) -> None:
    clerk = signed_in(User.objects.create_user(username="carl", is_staff=True))
    assert "Answer for the Hive" not in _page(clerk, f"/disputes/{dispute.pk}/")
    assert clerk.post(f"/disputes/{dispute.pk}/reply/", {"text": "x"}).status_code == 404


def test_the_team_that_rents_is_told_nothing_of_it(
    dispute: Dispute, stranger: User, as_owner: Client
) -> None:
    """The figure is the Hive's and the owner's: the team has paid what was rated."""
    node = dispute.agreement.node
    node.owner = stranger
    node.save(update_fields=["owner"])
    assert f"/disputes/{dispute.pk}/" not in _page(as_owner, f"/agreements/{dispute.agreement_id}/")
    assert as_owner.get(f"/disputes/{dispute.pk}/").status_code == 404


def test_the_admins_first_page_tells_who_waits(dispute: Dispute) -> None:
    [figure] = [each for each in figures() if each.title == "Disputes to answer"]
    assert (figure.value, figure.hint, figure.fine) == ("1", "none escalated", False)
    Dispute.objects.filter(pk=dispute.pk).update(deadline_at=dispute.opened_at)
    chase_disputes()
    [figure] = [each for each in figures() if each.title == "Disputes to answer"]
    assert figure.hint == "1 escalated: nobody answered in time"


def test_scripts_do_the_same(dispute: Dispute, as_owner: Client, as_operator: Client) -> None:
    base = f"/api/v1/disputes/{dispute.pk}/"

    def post(client: Client, verb: str, **fields: str) -> Any:
        return client.post(f"{base}{verb}/", fields, content_type="application/json")

    assert [row["id"] for row in as_owner.get("/api/v1/disputes/").json()["results"]] == [str(dispute.pk)]
    assert post(as_owner, "say", text="And the seventh.").status_code == 200
    assert post(as_owner, "answer", text="I say so.").status_code == 403
    assert post(as_operator, "say", text="I say so.").status_code == 403
    assert "expected between" in str(post(as_operator, "decide", text="No.", figure_glm="9").json())
    offered = post(as_operator, "answer", text="Half of it.", figure_glm="0.00037").json()
    assert (offered["state"], offered["hive_glm"], offered["open_glm"]) == (
        "with_owner",
        "0.00037",
        "0.00005",
    )
    assert [one["side"] for one in offered["messages"]] == ["owner", "owner", "hive"]
    assert "look again" in str(post(as_owner, "accept", gives_up_glm="0.00001").json())
    assert post(as_owner, "accept", gives_up_glm="0.00005").json()["state"] == "settled"
    assert "settled by now" in str(post(as_operator, "decide", text="No.", figure_glm=ASKED).json())
