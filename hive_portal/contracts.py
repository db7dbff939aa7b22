"""The page of one agreement: its terms and its history, for the team that rents and for the Bee's owner."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from apps.billing.models import DebitNote, Hold
from apps.deployments.models import Assignment
from apps.market.models import Agreement, Proposal
from apps.money import ZERO
from apps.nodes.reach import own_nodes
from apps.teams.models import AuditLine
from apps.teams.reach import reachable_teams

MOST_LINES = 100


@login_required
def agreement(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A foreign agreement is a 404: neither your team's nor your Bee's."""
    teams = reachable_teams(request)
    within_reach = Agreement.objects.filter(Q(team__in=teams) | Q(node__in=own_nodes(request)))
    found = get_object_or_404(within_reach.select_related("node", "team"), pk=pk)
    rents = teams.filter(pk=found.team_id).exists()
    owns = own_nodes(request).filter(pk=found.node_id).exists()
    hold = Hold.objects.filter(agreement=found).first()
    context = {
        "agreement": found,
        "rents": rents,
        "owns": owns,
        "dispute": found.disputes.order_by("-opened_at").first() if owns else None,
        "assignment": _assignment(found) if rents else None,
        "cost_glm": hold.posted if hold else ZERO,
        "note": DebitNote.objects.filter(agreement=found).order_by("-sequence").first(),
        "bargain": bargain_of(found),
        "events": history_of(found, rents=rents)[:MOST_LINES],
    }
    return render(request, "owners/agreement.html", context)


def bargain_of(agreement: Agreement) -> QuerySet[Proposal]:
    """The bids and what the Bee asked, oldest first; none where its price was taken as it stood."""
    about = Proposal.objects.filter(demand=agreement.demand_id, offer=agreement.offer_id)
    return about.filter(created_at__lte=agreement.created_at).order_by("created_at")


def history_of(agreement: Agreement, *, rents: bool) -> QuerySet[AuditLine]:
    """Its own steps and those of its debit notes, newest first; to the team that rents, its replica's too.

    What the team calls its replicas, and why it moves them, is not for the owner of the Bee.
    """
    notes = DebitNote.objects.filter(agreement=agreement).values_list("pk", flat=True)
    lines = Q(noun="agreement", noun_id=str(agreement.pk)) | Q(
        noun="debitnote", noun_id__in=[str(pk) for pk in notes.order_by("-sequence")[:MOST_LINES]]
    )
    if rents and (assignment := _assignment(agreement)):
        lines |= Q(noun="assignment", noun_id=str(assignment.pk))
    return AuditLine.objects.filter(lines)


def _assignment(agreement: Agreement) -> Assignment | None:
    ran = Assignment.objects.filter(agreement=agreement)
    return ran.select_related("replica__service__deployment").first()
